const gone = 'Something was changed while the answer was made. Ask again.';
const mayNot = (model: string): string =>
  `${model} may not be used by this server. Choose another model, or ask whoever runs this server.`;

/**
 * The texts around how an answer came about. The keys of `stages` and `failures` are the server's
 * (`api/names.json`); a test fails where one is missing.
 */
export const en = {
  theModel: 'The model',
  kept: 'What it wrote so far is kept.',
  failureDetails: 'Details',
  stages: {
    catch_up: 'Looking for what is new',
    keyword_search: 'Search by words',
    embed_question: 'Understanding the question',
    vector_search: 'Search by meaning',
    load_passages: 'Reading the passages',
    rerank: 'Ordering the passages',
    context: 'Preparing the question',
    research: 'Research',
    first_token: 'Until the first word',
    generate: 'Writing the answer',
  } as Readonly<Record<string, string>>,
  /** What happened and what can be done, without anything of the error itself. */
  failures: {
    unavailable: (model) =>
      `${model} cannot be reached, or broke off. Try again in a moment, or choose another model.`,
    timeout: (model) => `${model} took too long to answer. Try again, or choose another model.`,
    rate_limited: (model) =>
      `${model} takes no more questions for now. Try again later, or choose another model.`,
    unauthorized: (model) =>
      `${model} does not accept this server’s key. Choose another model, or ask whoever runs this server to check the key.`,
    forbidden: mayNot,
    unauthenticated: mayNot,
    context_too_long: (model) =>
      `${model} cannot read that much at once. Ask a shorter question, or choose a model that reads more.`,
    protocol: (model) =>
      `${model} answered in a way that this server does not understand. Try again, or choose another model.`,
    unsupported: (model) => `${model} cannot do what this answer needs. Choose another model.`,
    invalid_input: (model) =>
      `${model} does not take questions with these settings. Check the notebook’s settings, or choose another model.`,
    not_found: (model) =>
      `${model} was not found, or something else that the answer needs is gone. Choose another model, or ask again.`,
    too_large: () =>
      'The answer needed more than one answer may use. Ask for less at once, or divide the question.',
    storage_full: () => 'The server’s disk is full. Ask again when whoever runs this server has made room.',
    corrupt: () => 'Something that this server stored is damaged. Tell whoever runs this server.',
    cancelled: () => 'The answer was ended before it was finished. Ask again.',
    conflict: () => gone,
    already_exists: () => gone,
    internal: () =>
      'A fault in this server ended the answer. Try again; if it happens again, tell whoever runs this server.',
    interrupted: () => 'The server stopped before the answer was finished. Ask again for the rest.',
    not_stored: () => 'The answer could not be stored. Ask again in a moment.',
    no_model: () =>
      'This server has no model for these settings. Choose another model in the notebook’s settings.',
    /** The page's own: the run may well have ended as it should. */
    unread: () =>
      'The answer could not be read from the server. Check the connection and load the page again.',
  } as Readonly<Record<string, (model: string) => string>>,
  /** In English a warning says what the server says, which counts and names. */
  warnings: {} as Readonly<Record<string, string>>,
} as const;

type Loose<T> = T extends string ? string : T;
export type AnswerDictionary = { [K in keyof typeof en]: Loose<(typeof en)[K]> };
