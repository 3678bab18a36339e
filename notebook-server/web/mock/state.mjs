// The mock server's memory and the ingestion it plays.
import { randomUUID } from 'node:crypto';
import { buildDocument, handbook, partsOfText } from './document.mjs';

let counter = 0;
/** Ids that sort by time, as UUIDv7 does. */
export function newId() {
  counter += 1;
  const time = Date.now().toString(16).padStart(12, '0');
  const tail = randomUUID().slice(-12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${(counter % 4096).toString(16).padStart(3, '0')}-8${tail.slice(0, 3)}-${tail}`;
}

export function createState(options) {
  return {
    pace: options.pace ?? 1,
    notebooks: new Map(),
    sources: new Map(),
    documents: new Map(),
    conversations: new Map(),
    messages: new Map(),
    runs: new Map(),
    approvals: new Map(),
    listeners: new Map(),
  };
}

export const modelSettings = {
  provider: null,
  model: null,
  temperature: null,
  top_p: null,
  max_tokens: null,
  system_prompt: null,
};

export function tell(state, notebook, event, data) {
  for (const listener of state.listeners.get(notebook) ?? []) listener(event, data);
}

export function addSource(state, notebook, name, data, kindOf) {
  const now = Date.now();
  const source = {
    id: newId(),
    notebook,
    name,
    kind: kindOf,
    bytes: data.length,
    sha256: '0'.repeat(64),
    stage: 'queued',
    progress: { done: 0, total: 0 },
    keywords_ready: false,
    vectors_ready: false,
    failure: null,
    title: null,
    pages: null,
    text_bytes: 0,
    chunks: 0,
    notes: [],
    origin: null,
    created_at: now,
    updated_at: now,
    revision: 1,
  };
  state.sources.set(source.id, source);
  void ingest(state, source, data);
  return source;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function ingest(state, source, data) {
  const attempt = Symbol('attempt');
  source.attempt = attempt;
  const change = (fields) => {
    Object.assign(source, fields, { updated_at: Date.now(), revision: source.revision + 1 });
    tell(state, source.notebook, 'source', publicSource(source));
  };
  const alive = () => source.attempt === attempt && state.sources.has(source.id);
  const stage = async (name, total, wait) => {
    for (let done = 0; done <= total && alive(); done += 1) {
      change({ stage: name, progress: { done, total } });
      await pause(wait * state.pace);
    }
  };
  change({ stage: 'queued', failure: null });
  await pause(150 * state.pace);
  if (!alive()) return;
  if (data.length === 0 || /broken/i.test(source.name)) {
    const message =
      data.length === 0
        ? 'The file is empty.'
        : 'The file ends in the middle. Save or download it again, then retry.';
    change({
      stage: 'failed',
      failure: { code: data.length === 0 ? 'empty' : 'truncated', message, stage: 'parse' },
    });
    return;
  }
  const document =
    /\.(txt|md)$/i.test(source.name) || source.pasted
      ? buildDocument(null, partsOfText(data.toString('utf8')))
      : handbook(source.name.replace(/\.\w+$/, ''), 120);
  await stage('parse', 12, 60);
  await stage('chunk', 4, 40);
  await stage('index', 4, 40);
  if (!alive()) return;
  state.documents.set(source.id, document);
  change({
    keywords_ready: true,
    pages: document.pages.length || null,
    text_bytes: document.bytes,
    title: document.title,
    chunks: Math.ceil(document.bytes / 600),
  });
  await stage('embed', 16, 80);
  if (alive()) change({ stage: 'ready', vectors_ready: true, progress: { done: 1, total: 1 } });
}

export function publicSource(source) {
  const { attempt, pasted, data, ...shown } = source;
  void attempt;
  void pasted;
  void data;
  return shown;
}
