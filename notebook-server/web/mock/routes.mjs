// The routes of docs/rest.md over the mock's memory: [method, pattern, handler].
import { createHash } from 'node:crypto';
import { openRun, publicRun, endRun } from './answer.mjs';
import { Refusal, multipart, readBody, readJson } from './http.mjs';
import { mcpServers, tools } from './research.mjs';
import { addSource, ingest, modelSettings, newId, publicSource, tell } from './state.mjs';
import { runEvents, sourceEvents } from './streams.mjs';

const documents = ['pdf', 'docx', 'pptx', 'xlsx', 'csv', 'epub', 'html', 'markdown', 'text', 'code'];
const kinds = [...documents, 'png', 'jpg', 'wav', 'mp3'];
const limits = {
  document_bytes: 100_000_000,
  image_bytes: 10_000_000,
  audio_bytes: 25_000_000,
  question_bytes: 32_768,
};
const kindOf = (name) =>
  ({ md: 'markdown', txt: 'text', htm: 'html' })[name.split('.').at(-1)] ??
  (kinds.includes(name.split('.').at(-1)) ? name.split('.').at(-1) : null);

const get = (map, id, what) => {
  const value = map.get(id);
  if (!value) throw new Refusal(404, 'not_found', `There is no such ${what}.`);
  return value;
};
const of = (map, key, id) => [...map.values()].filter((value) => value[key] === id);
const newest = (items) => items.sort((a, b) => (a.id < b.id ? 1 : -1));

function page(items, url, standard) {
  const limit = Number(url.searchParams.get('limit') ?? standard);
  const after = url.searchParams.get('after');
  const from = after ? items.findIndex((item) => item.id === after) + 1 : 0;
  const shown = items.slice(from, from + limit);
  return { items: shown, next: from + limit < items.length ? shown.at(-1).id : null };
}

function pickText(state, id, url) {
  const document = get(state.documents, id, 'text');
  const start = Number(url.searchParams.get('start') ?? 0);
  const end = Math.min(Number(url.searchParams.get('end') ?? document.bytes), document.bytes);
  if (end - start > 65_536) throw new Refusal(413, 'too_large', 'Ask for at most 65,536 bytes.', 'end');
  const blocks = document.blocks.filter((block) => block.end > start && block.start < end);
  const from = Math.min(start, blocks[0]?.start ?? start);
  const to = Math.max(end, blocks.at(-1)?.end ?? end);
  return { start: from, end: to, text: Buffer.from(document.text).subarray(from, to).toString(), blocks };
}

function removeNotebook(state, id) {
  for (const source of of(state.sources, 'notebook', id)) state.sources.delete(source.id);
  for (const talk of of(state.conversations, 'notebook', id)) state.conversations.delete(talk.id);
  state.notebooks.delete(id);
}

export const routes = (state) => [
  [
    'GET',
    '/api/status',
    () => ({
      version: '0.1.0',
      chat: {
        label: 'paper-1 (mock)',
        provider: 'mock',
        model: 'paper-1',
        local: true,
        reason: 'No provider is configured and no Ollama answers, so the built-in mock answers.',
        check: 'ok',
      },
      embedding: { model: 'all-MiniLM-L6-v2', dimensions: 384 },
      embedding_reason: 'Found in the local model folder.',
      rerank: null,
      models: [],
      operator: true,
      limits,
      kinds,
    }),
  ],
  [
    'GET',
    '/api/notebooks',
    ({ url }) => {
      const archived = url.searchParams.get('archived') === 'true';
      return page(
        newest([...state.notebooks.values()].filter((each) => each.archived === archived)),
        url,
        50,
      );
    },
  ],
  [
    'POST',
    '/api/notebooks',
    async ({ req }) => {
      const body = await readJson(req);
      if (state.notebooks.has(body.id)) return state.notebooks.get(body.id);
      const now = Date.now();
      const settings = body.settings ?? { model: modelSettings, allow_general_knowledge: false };
      const notebook = {
        id: body.id,
        name: body.name ?? 'Untitled notebook',
        named_by_user: Boolean(body.name),
        archived: false,
        settings,
        created_at: now,
        updated_at: now,
      };
      state.notebooks.set(notebook.id, notebook);
      return [201, notebook];
    },
  ],
  ['GET', '/api/notebooks/:id', ({ id }) => get(state.notebooks, id, 'notebook')],
  [
    'PATCH',
    '/api/notebooks/:id',
    async ({ id, req }) => {
      const body = await readJson(req);
      if (body.name !== undefined && (body.name.length < 1 || body.name.length > 200)) {
        throw new Refusal(422, 'invalid', 'A name has 1 to 200 characters.', 'name');
      }
      return Object.assign(
        get(state.notebooks, id, 'notebook'),
        body,
        body.name ? { named_by_user: true } : {},
      );
    },
  ],
  ['DELETE', '/api/notebooks/:id', ({ id }) => removeNotebook(state, id)],
  [
    'GET',
    '/api/notebooks/:id/events',
    ({ id, req, res }) => sourceEvents(state, get(state.notebooks, id, 'notebook'), req, res),
  ],
  [
    'GET',
    '/api/notebooks/:id/sources',
    ({ id }) => ({ items: of(state.sources, 'notebook', id).map(publicSource) }),
  ],
  [
    'POST',
    '/api/notebooks/:id/sources',
    async ({ id, req }) => {
      get(state.notebooks, id, 'notebook');
      const file = multipart(req.headers['content-type'] ?? '', await readBody(req));
      const kind = kindOf(file.name);
      if (!kind)
        throw new Refusal(
          415,
          'unsupported',
          `Files such as ${file.name} are not supported. Use ${kinds.join(', ')}.`,
          'file',
        );
      const source = addSource(state, id, file.name, file.data, kind);
      source.data = file.data;
      return [202, publicSource(source)];
    },
  ],
  [
    'POST',
    '/api/notebooks/:id/sources/text',
    async ({ id, req }) => {
      const body = await readJson(req);
      const source = addSource(state, id, body.name, Buffer.from(body.text), 'text');
      source.pasted = true;
      return [202, publicSource(source)];
    },
  ],
  [
    'POST',
    '/api/notebooks/:id/sources/link',
    async ({ id, req }) => {
      const { url, name } = await readJson(req);
      if (!/^https?:\/\//.test(url))
        throw new Refusal(422, 'invalid_input', 'Begin the address with http:// or https://.', 'url');
      const source = addSource(
        state,
        id,
        name ?? url.split('://')[1],
        Buffer.from('A page of the web.'),
        'html',
      );
      source.origin = { url, final_url: url, content_type: 'text/html', fetched_at: Date.now() };
      return [202, publicSource(source)];
    },
  ],
  ['GET', '/api/sources/:id', ({ id }) => publicSource(get(state.sources, id, 'source'))],
  [
    'DELETE',
    '/api/sources/:id',
    ({ id }) => {
      const source = get(state.sources, id, 'source');
      state.sources.delete(id);
      tell(state, source.notebook, 'source_deleted', { id });
    },
  ],
  [
    'POST',
    '/api/sources/:id/retry',
    ({ id }) => {
      const source = get(state.sources, id, 'source');
      if (source.stage !== 'failed')
        throw new Refusal(409, 'not_failed', 'Only a failed source can be retried.');
      source.name = source.name.replace(/broken/gi, 'mended');
      void ingest(state, source, source.data ?? Buffer.from('again'));
      return [202, publicSource(source)];
    },
  ],
  [
    'POST',
    '/api/sources/:id/cancel',
    ({ id }) => {
      const source = get(state.sources, id, 'source');
      if (['ready', 'failed'].includes(source.stage)) return [202, publicSource(source)];
      source.attempt = null;
      Object.assign(source, {
        failure: { code: 'cancelled', message: 'You cancelled this source.', stage: source.stage },
        stage: 'failed',
        revision: source.revision + 1,
      });
      tell(state, source.notebook, 'source', publicSource(source));
      return [202, publicSource(source)];
    },
  ],
  [
    'GET',
    '/api/sources/:id/outline',
    ({ id }) => {
      const document = get(state.documents, id, 'outline');
      const headings = document.blocks
        .filter((block) => block.kind === 'heading')
        .map(({ level, text, start, end }) => ({ level, text, start, end }));
      return { title: document.title, pages: document.pages, headings, text_bytes: document.bytes };
    },
  ],
  ['GET', '/api/sources/:id/text', ({ id, url }) => pickText(state, id, url)],
  [
    'GET',
    '/api/sources/:id/original',
    ({ id, res }) => {
      const source = get(state.sources, id, 'source');
      res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment' });
      res.end(source.data ?? '');
      return res;
    },
  ],
  [
    'GET',
    '/api/notebooks/:id/conversations',
    ({ id }) => ({ items: newest(of(state.conversations, 'notebook', id)) }),
  ],
  [
    'POST',
    '/api/notebooks/:id/conversations',
    async ({ id, req }) => {
      get(state.notebooks, id, 'notebook');
      const body = await readJson(req);
      if (state.conversations.has(body.id)) return state.conversations.get(body.id);
      const now = Date.now();
      const talk = {
        id: body.id,
        notebook: id,
        title: body.title ?? '',
        excluded_sources: [],
        created_at: now,
        updated_at: now,
      };
      state.conversations.set(talk.id, talk);
      return [201, talk];
    },
  ],
  [
    'PATCH',
    '/api/conversations/:id',
    async ({ id, req }) => Object.assign(get(state.conversations, id, 'conversation'), await readJson(req)),
  ],
  ['DELETE', '/api/conversations/:id', ({ id }) => void state.conversations.delete(id)],
  [
    'GET',
    '/api/conversations/:id/messages',
    ({ id, url }) => {
      get(state.conversations, id, 'conversation');
      return page(newest(of(state.messages, 'conversation', id)), url, 100);
    },
  ],
  [
    'GET',
    '/api/conversations/:id/runs',
    ({ id, url }) => page(newest(of(state.runs, 'conversation', id)).map(publicRun), url, 5),
  ],
  [
    'POST',
    '/api/conversations/:id/runs',
    async ({ id, req }) => {
      const talk = get(state.conversations, id, 'conversation');
      const body = await readJson(req);
      const key = req.headers['idempotency-key'];
      const same = key && [...state.runs.values()].find((run) => run.key === key);
      if (same) return publicRun(same);
      let question = body.regenerate ? get(state.messages, body.regenerate, 'question') : null;
      if (!question) {
        if (/^ignore all previous/i.test(body.question))
          throw new Refusal(
            422,
            'question_refused',
            '`question`: this server refuses questions of the family `override`; ask in other words, or report a wrong refusal.',
            'question',
            ['ignore_previous'],
          );
        if (Buffer.byteLength(body.question) > limits.question_bytes)
          throw new Refusal(413, 'too_large', 'The question is too long.', 'question');
        const last = newest(of(state.messages, 'conversation', id))[0];
        question = {
          id: newId(),
          conversation: id,
          parent: body.parent === undefined ? (last?.id ?? null) : body.parent,
          role: 'user',
          text: body.question,
          citations: [],
          dropped_citations: 0,
          run: null,
          model: null,
          usage: null,
          timings: [],
          warnings: [],
          partial: false,
          created_at: Date.now(),
        };
        state.messages.set(question.id, question);
      }
      const run = openRun(state, talk, question.text, { question: question.id, mode: body.mode });
      run.key = key;
      return [201, publicRun(run)];
    },
  ],
  [
    'POST',
    '/api/guard/reports',
    async ({ req }) => {
      const { question, labels, keep_question: keep } = await readJson(req);
      const report = {
        id: newId(),
        labels,
        question_sha256: createHash('sha256').update(question).digest('hex'),
        question: keep ? question : null,
        remark: null,
        created_at: Date.now(),
      };
      state.reports = [report, ...(state.reports ?? [])];
      return [201, report];
    },
  ],
  ['GET', '/api/guard/reports', () => ({ items: state.reports ?? [], next: null })],
  [
    'DELETE',
    '/api/guard/reports/:id',
    ({ id }) => {
      state.reports = (state.reports ?? []).filter((report) => report.id !== id);
    },
  ],
  ['GET', '/api/tools', () => ({ items: tools })],
  ['GET', '/api/mcp/servers', () => ({ items: mcpServers })],
  ['GET', '/api/approvals/:id', ({ id }) => get(state.approvals, id, 'approval')],
  [
    'POST',
    '/api/approvals/:id',
    async ({ id, req }) => {
      const approval = get(state.approvals, id, 'approval');
      const { verdict, digest } = await readJson(req);
      if (digest !== approval.digest)
        throw new Refusal(409, 'conflict', 'Something else was shown.', 'digest');
      approval.state = verdict === 'approve' ? 'approved' : 'refused';
      approval.decided_at = Date.now();
      return approval;
    },
  ],
  ['GET', '/api/runs/:id', ({ id }) => publicRun(get(state.runs, id, 'run'))],
  [
    'GET',
    '/api/runs/:id/events',
    ({ id, req, res, url }) => runEvents(get(state.runs, id, 'run'), req, res, url),
  ],
  [
    'POST',
    '/api/runs/:id/stop',
    ({ id }) => {
      const run = get(state.runs, id, 'run');
      endRun(state, run, 'stopped');
      return [202, publicRun(run)];
    },
  ],
];
