import { json, send } from './client';
import type { Approval, Tool } from './approvals';
import type { BreakerSetting, ModelState } from './breakers';
import type { McpServer } from './mcp';
import type {
  Conversation,
  Id,
  Job,
  Message,
  Mode,
  ModelSettings,
  Notebook,
  NotebookSettings,
  Outline,
  Page,
  Run,
  Source,
  SourceText,
  Status,
} from './types';

type Items<T> = { items: T[] };
const query = (values: Record<string, string | number | boolean | null | undefined>): string => {
  const used = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return used.length ? `?${new URLSearchParams(used.map(([key, value]) => [key, String(value)]))}` : '';
};

/** Sets a model's breaker by hand: for operators. */
export const setBreaker = (
  { route, model }: Pick<ModelState, 'route' | 'model'>,
  state: BreakerSetting,
): Promise<ModelState> => json('/api/breakers', { method: 'PUT', body: { route, model, state } });

export const status = (signal?: AbortSignal): Promise<Status> =>
  json('/api/status', signal ? { signal } : {});

export const notebooks = {
  list: (archived: boolean, after: string | null): Promise<Page<Notebook>> =>
    json(`/api/notebooks${query({ archived, after, limit: 50 })}`),
  get: (id: Id): Promise<Notebook> => json(`/api/notebooks/${id}`),
  create: (body: { id: Id; name?: string; settings?: NotebookSettings }): Promise<Notebook> =>
    json('/api/notebooks', { method: 'POST', body }),
  patch: (
    id: Id,
    body: { name?: string; archived?: boolean; settings?: NotebookSettings },
  ): Promise<Notebook> => json(`/api/notebooks/${id}`, { method: 'PATCH', body }),
  remove: (id: Id): Promise<Response> => send(`/api/notebooks/${id}`, { method: 'DELETE' }),
  events: (id: Id): string => `/api/notebooks/${id}/events`,
  export: (id: Id): Promise<{ job: Id }> => json(`/api/notebooks/${id}/exports`, { method: 'POST' }),
};

export const sources = {
  list: (notebook: Id): Promise<Items<Source>> => json(`/api/notebooks/${notebook}/sources`),
  uploadPath: (notebook: Id): string => `/api/notebooks/${notebook}/sources`,
  paste: (notebook: Id, body: { name: string; text: string }): Promise<Source> =>
    json(`/api/notebooks/${notebook}/sources/text`, { method: 'POST', body }),
  link: (notebook: Id, body: { url: string; name?: string }): Promise<Source> =>
    json(`/api/notebooks/${notebook}/sources/link`, { method: 'POST', body }),
  remove: (id: Id): Promise<Response> => send(`/api/sources/${id}`, { method: 'DELETE' }),
  retry: (id: Id): Promise<Source> => json(`/api/sources/${id}/retry`, { method: 'POST' }),
  cancel: (id: Id): Promise<Source> => json(`/api/sources/${id}/cancel`, { method: 'POST' }),
  outline: (id: Id): Promise<Outline> => json(`/api/sources/${id}/outline`),
  text: (id: Id, start: number, end: number, signal?: AbortSignal): Promise<SourceText> =>
    json(`/api/sources/${id}/text${query({ start, end })}`, signal ? { signal } : {}),
  originalPath: (id: Id): string => `/api/sources/${id}/original`,
};

export const conversations = {
  list: (notebook: Id): Promise<Items<Conversation>> => json(`/api/notebooks/${notebook}/conversations`),
  create: (notebook: Id, body: { id: Id; title?: string }): Promise<Conversation> =>
    json(`/api/notebooks/${notebook}/conversations`, { method: 'POST', body }),
  patch: (id: Id, body: { title?: string; excluded_sources?: Id[] }): Promise<Conversation> =>
    json(`/api/conversations/${id}`, { method: 'PATCH', body }),
  remove: (id: Id): Promise<Response> => send(`/api/conversations/${id}`, { method: 'DELETE' }),
  export: (id: Id, body: { format: 'markdown' | 'pdf'; through?: Id }): Promise<{ job: Id }> =>
    json(`/api/conversations/${id}/exports`, { method: 'POST', body }),
  messages: (id: Id, after: string | null): Promise<Page<Message>> =>
    json(`/api/conversations/${id}/messages${query({ after, limit: 100 })}`),
  runs: (id: Id): Promise<Items<Run>> => json(`/api/conversations/${id}/runs${query({ limit: 5 })}`),
};

export const importPath = '/api/imports';

export const jobs = {
  get: (id: Id): Promise<Job> => json(`/api/jobs/${id}`),
  filePath: (id: Id): string => `/api/jobs/${id}/file`,
};

export type Ask =
  | { question: string; parent?: Id | null; settings?: ModelSettings; mode?: Mode }
  | { regenerate: Id; settings?: ModelSettings; mode?: Mode };

export const runs = {
  open: (conversation: Id, key: string, body: Ask): Promise<Run> =>
    json(`/api/conversations/${conversation}/runs`, {
      method: 'POST',
      body,
      headers: { 'idempotency-key': key },
    }),
  get: (id: Id): Promise<Run> => json(`/api/runs/${id}`),
  stop: (id: Id): Promise<Run> => json(`/api/runs/${id}/stop`, { method: 'POST' }),
  events: (id: Id): string => `/api/runs/${id}/events`,
};

/** A question that its author says was refused wrongly. */
export interface GuardReport {
  id: Id;
  labels: string[];
  question_sha256: string;
  question: string | null;
  remark: string | null;
  created_at: number;
}

export const tools = {
  list: (): Promise<Items<Tool>> => json('/api/tools'),
};

export const mcp = {
  list: (): Promise<Items<McpServer>> => json('/api/mcp/servers'),
};

export const approvals = {
  get: (id: Id): Promise<Approval> => json(`/api/approvals/${id}`),
  /** Says yes or no to exactly what was shown: the digest stands for it. */
  decide: (id: Id, body: { verdict: 'approve' | 'refuse'; digest: string }): Promise<Approval> =>
    json(`/api/approvals/${id}`, { method: 'POST', body }),
};

export const guardReports = {
  page: (after: string | null): Promise<Page<GuardReport>> => json(`/api/guard/reports${query({ after })}`),
  remove: async (id: Id): Promise<void> => {
    await send(`/api/guard/reports/${id}`, { method: 'DELETE' });
  },
  /** Says that a question was refused wrongly; its words are kept only with `keep_question`. */
  create: (body: {
    question: string;
    labels: readonly string[];
    keep_question: boolean;
  }): Promise<{ id: Id }> => json('/api/guard/reports', { method: 'POST', body }),
};
