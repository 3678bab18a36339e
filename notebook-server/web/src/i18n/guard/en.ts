/** The texts around questions that were refused. */
export const en = {
  title: 'This question was not answered',
  hint: (labels: string) =>
    `This server refuses questions with this mark: ${labels}. Ask in other words, or report that this was wrong.`,
  report: 'Report a wrong refusal',
  keepQuestion: 'The admins may read the question',
  reported: 'Reported. The admins of this workspace see it.',
  /** Where nobody has an account whoever asks looks after the server. */
  keepOwnQuestion: 'Keep the question with the report',
  reportedHere: 'Reported.',
  seeReports: 'See all reports',
  reports: 'Wrong refusals',
  reportsHint: 'Questions that this server refused, and that were reported as harmless.',
} as const;

type Loose<T> = T extends (...args: infer A) => string ? (...args: A) => string : string;
export type GuardDictionary = { [K in keyof typeof en]: Loose<(typeof en)[K]> };
