/** The texts around research: what it did, what it asks, which tools it may use. */
export const en = {
  research: 'Research',
  researchHint: 'Let the model look for itself, with tools. It takes longer.',
  researching: 'Looking into it',
  asking: 'Waiting for you',
  announceAsking: 'The answer waits for you: a tool wants to be allowed.',
  stepSearched: (query: string) => `Searched for “${query}”`,
  stepRead: 'Read a part of a source',
  stepListed: 'Looked at the list of sources',
  stepCalculated: (expression: string) => `Calculated ${expression}`,
  stepQueried: 'Asked a table',
  stepNoted: (title: string) => `Note “${title}”`,
  stepFetched: (url: string) => `Page ${url}`,
  stepOther: (tool: string) => `Tool ${tool}`,
  stepFailed: (code: string) => `did not work (${code})`,
  stepFailures: {
    refused: 'not allowed by you, or by nobody in time',
    not_allowed: 'not allowed',
    bad_arguments: 'the model asked for it wrongly',
    not_found: 'there is no such thing',
    timeout: 'took too long',
    unknown_tool: 'there is no such tool',
    definition_changed: 'the tool has changed since it was offered',
  } as Readonly<Record<string, string>>,
  stepsDone: (count: number) => (count === 1 ? 'Research: one step' : `Research: ${count} steps`),
  approvalTitle: 'May this be done?',
  approvalArguments: (characters: number) =>
    `With exactly these arguments (${characters.toLocaleString('en')} characters):`,
  approvalHidden: 'The arguments hold characters that are not seen. They are written out here.',
  approve: 'Approve',
  deny: 'Deny',
  approvalUntil: (when: string) => `Waits until ${when}`,
  approvalNotYours: 'Somebody who may change this notebook has to answer.',
  approvalStates: {
    pending: 'Nobody has answered yet.',
    approved: 'Approved.',
    refused: 'Denied.',
    expired: 'Nobody answered in time, so it was not done.',
  },
  researchTools: 'Tools for research',
  researchToolsHint:
    'What a model may use when it looks for itself. You are asked before anything is written or leaves this server.',
  toolClasses: { read: 'reads', write: 'writes', outward: 'reaches out' },
  mcpServers: 'MCP servers',
  mcpServersHint:
    'Other programs whose tools research may use in this notebook. What they are asked leaves this server, and what they answer is not checked.',
  mcpStates: { connected: 'connected', disconnected: 'disconnected', error: 'error' },
  mcpTools: (count: number) => (count === 1 ? 'One tool' : `${count} tools`),
  mcpNotOffered: (count: number) =>
    count === 1 ? 'One more is not offered.' : `${count} more are not offered.`,
  mcpGone: 'not set up any more',
} as const;

type Loose<T> = T extends (...args: infer A) => string
  ? (...args: A) => string
  : T extends string
    ? string
    : { readonly [K in keyof T]: string };
export type ResearchDictionary = { [K in keyof typeof en]: Loose<(typeof en)[K]> };
