import type { StatusDictionary } from './en';

export const de: StatusDictionary = {
  quotes: 'Zitate, ohne Modell',
  chatQuotes:
    'Hier ist kein Sprachmodell eingerichtet. Antworten sind deshalb wörtliche Zitate aus deinen Quellen.',
  chatLocal: 'Es läuft auf diesem Rechner: Deine Fragen und Quellen verlassen ihn nicht.',
  chatRemote: 'Deine Fragen und die Stellen, die dazu gefunden werden, gehen an dieses Modell.',
  searchBoth: 'Deine Quellen werden nach Wörtern und nach Bedeutung durchsucht.',
  searchWords:
    'Deine Quellen werden nur nach ihren Wörtern durchsucht. Ein Modell für ihre Bedeutung ist hier nicht in Gebrauch.',
  rerankFailed: 'Es ging zuletzt nicht: Die Textstellen blieben, wie sie gefunden wurden.',
  operatorDetails: 'Für den, der diesen Server betreibt',
  whyChat: 'Warum dieses Modell antwortet',
  chatCheck: 'Was es gesagt hat',
  whySearch: 'Suche',
  rerank: 'Reihenfolge der Textstellen',
};
