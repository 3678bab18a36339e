import type { ResearchDictionary } from './en';

export const de: ResearchDictionary = {
  research: 'Recherche',
  researchHint: 'Das Modell sucht selbst, mit Werkzeugen. Das dauert länger.',
  researching: 'Geht der Sache nach',
  asking: 'Wartet auf dich',
  stepSearched: (query) => `Gesucht nach „${query}“`,
  stepRead: 'Einen Teil einer Quelle gelesen',
  stepListed: 'Die Liste der Quellen angesehen',
  stepCalculated: (expression) => `Gerechnet: ${expression}`,
  stepQueried: 'Eine Tabelle befragt',
  stepNoted: (title) => `Notiz „${title}“`,
  stepFetched: (url) => `Seite ${url}`,
  stepOther: (tool) => `${tool} benutzt`,
  stepFailed: (code) => `ging nicht (${code})`,
  stepsDone: (count) => (count === 1 ? 'Recherche: ein Schritt' : `Recherche: ${count} Schritte`),
  approvalTitle: 'Darf das getan werden?',
  approvalArguments: (characters) => `Genau hiermit (${characters.toLocaleString('de')} Zeichen):`,
  approvalHidden: 'Darin stehen Zeichen, die man nicht sieht. Hier sind sie ausgeschrieben.',
  approve: 'Erlauben',
  deny: 'Ablehnen',
  approvalUntil: (when) => `Wartet bis ${when}`,
  approvalNotYours: 'Jemand, der dieses Notizbuch ändern darf, muss antworten.',
  approvalStates: {
    pending: 'Noch hat niemand geantwortet.',
    approved: 'Erlaubt.',
    refused: 'Abgelehnt.',
    expired: 'Niemand hat rechtzeitig geantwortet, also wurde es nicht getan.',
  },
  researchTools: 'Werkzeuge für die Recherche',
  researchToolsHint:
    'Was ein Modell benutzen darf, wenn es selbst sucht. Du wirst gefragt, bevor etwas geschrieben wird oder diesen Server verlässt.',
  toolClasses: { read: 'liest', write: 'schreibt', outward: 'greift nach außen' },
  mcpServers: 'MCP-Server',
  mcpServersHint:
    'Andere Programme, deren Werkzeuge die Recherche in diesem Notizbuch benutzen darf. Was sie gefragt werden, verlässt diesen Server, und was sie antworten, ist nicht geprüft.',
  mcpStates: { connected: 'verbunden', disconnected: 'nicht verbunden', error: 'Fehler' },
  mcpTools: (count) => (count === 1 ? 'Ein Werkzeug' : `${count} Werkzeuge`),
  mcpNotOffered: (count) =>
    count === 1 ? 'Ein weiteres wird nicht angeboten.' : `${count} weitere werden nicht angeboten.`,
  mcpGone: 'nicht mehr eingerichtet',
};
