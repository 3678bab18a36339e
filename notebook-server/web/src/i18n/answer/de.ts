import type { AnswerDictionary } from './en';

const changed = 'Während die Antwort entstand, wurde etwas geändert. Frag noch einmal.';
const mayNot = (model: string): string =>
  `Dieser Server darf ${model} nicht benutzen. Wähl ein anderes Modell, oder frag, wer diesen Server betreibt.`;

export const de: AnswerDictionary = {
  theModel: 'Das Modell',
  kept: 'Was bis dahin geschrieben war, bleibt stehen.',
  failureDetails: 'Einzelheiten',
  stages: {
    catch_up: 'Nach Neuem sehen',
    keyword_search: 'Suche nach Wörtern',
    embed_question: 'Frage verstehen',
    vector_search: 'Suche nach Bedeutung',
    load_passages: 'Stellen lesen',
    rerank: 'Stellen ordnen',
    context: 'Frage vorbereiten',
    research: 'Recherche',
    first_token: 'Bis zum ersten Wort',
    generate: 'Antwort schreiben',
  },
  failures: {
    unavailable: (model) =>
      `${model} ist nicht zu erreichen oder hat abgebrochen. Versuch es gleich noch einmal, oder wähl ein anderes Modell.`,
    timeout: (model) =>
      `${model} hat zu lange für die Antwort gebraucht. Versuch es noch einmal, oder wähl ein anderes Modell.`,
    rate_limited: (model) =>
      `${model} nimmt im Moment keine Fragen mehr an. Versuch es später noch einmal, oder wähl ein anderes Modell.`,
    unauthorized: (model) =>
      `${model} nimmt den Schlüssel dieses Servers nicht an. Wähl ein anderes Modell, oder bitte, wer diesen Server betreibt, den Schlüssel zu prüfen.`,
    forbidden: mayNot,
    unauthenticated: mayNot,
    context_too_long: (model) =>
      `${model} kann so viel auf einmal nicht lesen. Stell eine kürzere Frage, oder wähl ein Modell, das mehr liest.`,
    protocol: (model) =>
      `${model} hat so geantwortet, dass dieser Server es nicht versteht. Versuch es noch einmal, oder wähl ein anderes Modell.`,
    unsupported: (model) => `${model} kann nicht, was diese Antwort braucht. Wähl ein anderes Modell.`,
    invalid_input: (model) =>
      `${model} nimmt mit diesen Einstellungen keine Fragen an. Prüf die Einstellungen des Notizbuchs, oder wähl ein anderes Modell.`,
    not_found: (model) =>
      `${model} gibt es hier nicht, oder etwas anderes, das die Antwort braucht, ist weg. Wähl ein anderes Modell, oder frag noch einmal.`,
    too_large: () =>
      'Die Antwort brauchte mehr, als eine Antwort verbrauchen darf. Frag nach weniger auf einmal, oder teil die Frage.',
    storage_full: () => 'Die Festplatte des Servers ist voll. Frag noch einmal, wenn dort wieder Platz ist.',
    corrupt: () =>
      'Etwas, das dieser Server gespeichert hat, ist beschädigt. Sag es dem, der diesen Server betreibt.',
    cancelled: () => 'Die Antwort wurde beendet, bevor sie fertig war. Frag noch einmal.',
    conflict: () => changed,
    already_exists: () => changed,
    internal: () =>
      'Ein Fehler in diesem Server hat die Antwort beendet. Versuch es noch einmal; wenn es wieder geschieht, sag es dem, der diesen Server betreibt.',
    interrupted: () => 'Der Server hielt an, bevor die Antwort fertig war. Frag noch einmal nach dem Rest.',
    not_stored: () => 'Die Antwort konnte nicht gespeichert werden. Frag gleich noch einmal.',
    no_model: () =>
      'Dieser Server hat kein Modell für diese Einstellungen. Wähl in den Einstellungen des Notizbuchs ein anderes.',
    unread: () => 'Die Antwort ließ sich nicht vom Server lesen. Prüf die Verbindung und lade die Seite neu.',
  },
  warnings: {
    question_labelled:
      'Die Frage sieht aus wie ein Versuch, zu ändern, was der Assistent tut. Beantwortet wird sie trotzdem.',
    answer_redacted:
      'Aus der Antwort wurde entfernt, was wie ein Schlüssel, ein Passwort oder ein Pfad aussieht. Die Quellen zeigen ihre eigenen Worte.',
    answer_repeats:
      'Das Modell begann sich zu wiederholen und wurde angehalten. Frag mit anderen Worten, oder wähl ein größeres Modell.',
    answer_cut:
      'Die Antwort kam an ihre Höchstlänge. Für längere Antworten lässt sie sich in den Einstellungen anheben.',
    context_limit:
      'Das Gespräch ist länger, als das Modell lesen darf: Seine ältesten Nachrichten wurden gekürzt oder weggelassen.',
    context_near_limit:
      'Das Gespräch füllt fast, was das Modell lesen darf: Bald werden seine ältesten Nachrichten weggelassen.',
    model_replaced: 'Das gewählte Modell konnte nicht antworten: Ein anderes antwortet an seiner Stelle.',
    mcp_away:
      'Ein Programm, dessen Werkzeuge erlaubt sind, war nicht zu erreichen. Die Recherche kam ohne es aus.',
    retrieval_partial: 'Ein Teil der Suche ist ausgefallen: Es können Stellen fehlen.',
    research_cut:
      'Die Recherche kam an ihre Grenze, bevor das Modell fertig war: Die Antwort beruht auf dem, was bis dahin gefunden war.',
  },
};
