import type { ModelState } from './breakers';
import type { ApprovalState } from './approvals';

/** Shapes of docs/rest.md. Times are milliseconds since the Unix epoch. */
export type Id = string;

export interface ModelSettings {
  provider: string | null;
  model: string | null;
  temperature: number | null;
  top_p: number | null;
  max_tokens: number | null;
  system_prompt: string | null;
}

export interface NotebookSettings {
  model: ModelSettings;
  allow_general_knowledge: boolean;
  /** Names of the tools that research may use; absent: all that only read. */
  tools?: string[];
  /** Names of the MCP servers whose tools research may use. */
  mcp_servers?: string[];
}

/** How an answer is made: from passages that are found for it, or by a model that looks for itself. */
export type Mode = 'answer' | 'research';

export interface Notebook {
  id: Id;
  name: string;
  named_by_user: boolean;
  archived: boolean;
  settings: NotebookSettings;
  created_at: number;
  updated_at: number;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export type Stage =
  'queued' | 'fetch' | 'parse' | 'chunk' | 'index' | 'embed' | 'ready' | 'failed' | 'deleting';

export interface Source {
  id: Id;
  notebook: Id;
  name: string;
  kind: string;
  bytes: number;
  sha256: string;
  stage: Stage;
  progress: { done: number; total: number };
  keywords_ready: boolean;
  vectors_ready: boolean;
  failure: { code: string; message: string; stage: Stage } | null;
  title: string | null;
  pages: number | null;
  text_bytes: number;
  chunks: number;
  notes: string[];
  origin: {
    url: string;
    final_url: string | null;
    content_type: string | null;
    fetched_at: number | null;
  } | null;
  created_at: number;
  updated_at: number;
  revision: number;
}

export interface Outline {
  title: string | null;
  pages: { number: number; start: number; end: number }[];
  headings: { level: number; text: string; start: number; end: number }[];
  text_bytes: number;
}

export type BlockKind = 'heading' | 'paragraph' | 'list_item' | 'table_row' | 'code' | 'caption';

export interface Block {
  kind: BlockKind;
  level?: number;
  start: number;
  end: number;
  text: string;
}

export interface SourceText {
  start: number;
  end: number;
  text: string;
  blocks: Block[];
}

export interface Conversation {
  id: Id;
  notebook: Id;
  title: string;
  excluded_sources: Id[];
  created_at: number;
  updated_at: number;
}

export interface Span {
  start: number;
  end: number;
}

export interface Citation {
  number: number;
  at: number;
  at_utf16: number;
  source: Id;
  span: Span;
  page: number | null;
  quote: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  exact: boolean;
  cost_micros: number | null;
}

export interface Timing {
  stage: string;
  micros: number;
  finished: boolean;
}

/** What a reader is told of an answer beside its text. */
export interface AnswerWarning {
  code: string;
  message: string;
}

export interface Message {
  id: Id;
  conversation: Id;
  parent: Id | null;
  role: 'user' | 'assistant';
  text: string;
  citations: Citation[];
  dropped_citations: number;
  run: Id | null;
  model: string | null;
  usage: Usage | null;
  timings: Timing[];
  /** Empty in what was stored before warnings were kept: then the run's log says. */
  warnings: AnswerWarning[];
  partial: boolean;
  created_at: number;
}

export type RunState = 'queued' | 'running' | 'completed' | 'stopped' | 'failed' | 'abandoned';

export interface Run {
  id: Id;
  notebook: Id;
  conversation: Id;
  question: Id;
  answer: Id;
  state: RunState;
  stop_requested: boolean;
  created_at: number;
  ended_at: number | null;
}

export type RetrievalMode = 'keyword' | 'vector' | 'hybrid';

export type RunEventBody =
  | { type: 'started'; answer: Id; model: string }
  | { type: 'restarted' }
  | { type: 'retrieved'; mode: RetrievalMode; passages: number; partial: boolean; timings: Timing[] }
  | {
      type: 'context';
      prompt_tokens: number;
      budget_tokens: number;
      messages_left_out: number;
      passages_left_out: number;
    }
  | { type: 'delta'; text: string }
  | ({ type: 'citation' } & Citation)
  | { type: 'tool_called'; call: string; tool: string; arguments: string }
  | { type: 'tool_answered'; call: string; tool: string; passages: number; failure: string | null }
  | { type: 'approval_requested'; approval: Id; tool: string; reason: string; expires_at: number }
  | { type: 'approval_decided'; approval: Id; tool: string; state: ApprovalState }
  | { type: 'warning'; code: string; message: string }
  | { type: 'resync'; text: string; citations: Citation[] }
  | { type: 'completed'; usage: Usage; abstained: boolean; dropped_citations: number; timings: Timing[] }
  | { type: 'stopped' }
  | { type: 'failed'; code: string; message: string; retryable: boolean; detail?: string | null }
  | { type: 'abandoned' };

export type RunEvent = { seq: number } & RunEventBody;

/** Something slow, and how it ended. */
export interface Job {
  id: Id;
  kind: string;
  state: 'scheduled' | 'available' | 'running' | 'completed' | 'cancelled' | 'dead';
  progress: { done: number; total: number };
  result: Record<string, unknown> | null;
  error: { code: string; message: string } | null;
}

export interface Status {
  version: string;
  chat: {
    label: string;
    provider: string;
    model: string;
    local: boolean;
    reason: string;
    check: string;
    detail?: string | null;
  };
  models: ModelState[];
  /** Whether whoever asks may set breakers of models by hand. */
  operator: boolean;
  embedding: { model: string; dimensions: number } | null;
  embedding_reason: string | null;
  /** `check`: what came of it when it was asked last; `null` when nobody has asked yet. */
  rerank: { model: string; place: string; candidates: number; check: string | null } | null;
  limits: { document_bytes: number; image_bytes: number; audio_bytes: number; question_bytes: number };
  kinds: string[];
}

export const isTerminal = (state: RunState): boolean => state !== 'queued' && state !== 'running';

export const emptyModelSettings: ModelSettings = {
  provider: null,
  model: null,
  temperature: null,
  top_p: null,
  max_tokens: null,
  system_prompt: null,
};
