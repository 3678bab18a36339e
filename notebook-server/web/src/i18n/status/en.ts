/** The texts of the card that says which models there are: for people; what it is called in the configuration is in its details. */
export const en = {
  quotes: 'Quotes, without a model',
  chatQuotes: 'No language model is set up here, so answers are word-for-word quotes from your sources.',
  chatLocal: 'It runs on this machine: your questions and sources do not leave it.',
  chatRemote: 'Your questions, and the passages found for them, are sent to it.',
  searchBoth: 'Your sources are searched by words and by meaning.',
  searchWords: 'Your sources are searched by their words only. No model for their meaning is in use here.',
  rerankFailed: 'It failed the last time: passages stayed as they were found.',
  operatorDetails: 'For whoever runs this server',
  whyChat: 'Why this model answers',
  chatCheck: 'What it said',
  whySearch: 'Search',
  rerank: 'Order of passages',
} as const;

export type StatusDictionary = Readonly<Record<keyof typeof en, string>>;
