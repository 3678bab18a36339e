// A run of the mock server: retrieval by shared words, an answer made of true quotes.
import { research } from './research.mjs';
import { newId } from './state.mjs';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const words = (text) => new Set(text.toLowerCase().match(/\p{L}{4,}/gu) ?? []);

function passages(state, conversation, question) {
  const asked = words(question);
  const found = [];
  for (const source of state.sources.values()) {
    if (source.notebook !== conversation.notebook || !source.keywords_ready) continue;
    if (conversation.excluded_sources.includes(source.id)) continue;
    const document = state.documents.get(source.id);
    for (const block of document.blocks) {
      if (block.kind !== 'paragraph') continue;
      const score = [...words(block.text)].filter((word) => asked.has(word)).length;
      if (score > 0) found.push({ source, document, block, score });
    }
  }
  const seen = new Set();
  return found
    .sort((a, b) => b.score - a.score)
    .filter(({ block }) => !seen.has(block.text.slice(0, 60)) && seen.add(block.text.slice(0, 60)))
    .slice(0, 4);
}

/** The pieces of an answer: text, and citations where they stand. */
function compose(found, question) {
  const pieces = [
    {
      text: `Here is what your sources say about **${question.slice(0, 60).replace(/[*?]/g, '').trim()}**.\n\n`,
    },
  ];
  found.forEach((passage, index) => {
    const sentence = passage.block.text.split(/(?<=[.!?])\s/)[0];
    const start = passage.block.start;
    pieces.push({ text: `- ${sentence}` });
    const page = passage.document.pages.findLast((each) => each.start <= start)?.number ?? null;
    pieces.push({
      cite: {
        number: index + 1,
        source: passage.source.id,
        span: { start, end: start + Buffer.byteLength(sentence) },
        page,
        quote: sentence,
      },
    });
    pieces.push({ text: '\n' });
  });
  pieces.push({
    text: '\nTaken together, the passages agree: the range is greatest near the new and the full moon.',
  });
  const first = pieces.find((piece) => piece.cite);
  if (first) pieces.push(first);
  return pieces;
}

export function emit(state, run, body) {
  const event = { seq: run.log.length + 1, at: Date.now(), ...body };
  run.log.push(event);
  if (body.type === 'warning') run.warnings.push({ code: body.code, message: body.message });
  for (const listener of run.listeners) listener(event);
}

export function storeAnswer(state, run, partial, extra = {}) {
  if (run.text === '') return;
  state.messages.set(run.answer, {
    id: run.answer,
    conversation: run.conversation,
    parent: run.question,
    role: 'assistant',
    text: run.text,
    citations: run.citations,
    dropped_citations: 0,
    run: run.id,
    model: 'mock/paper-1',
    usage: null,
    timings: [],
    warnings: run.warnings,
    partial,
    created_at: Date.now(),
    ...extra,
  });
}

export function endRun(state, run, type, extra = {}, message = {}) {
  if (run.ended_at !== null) return;
  run.state = type;
  run.ended_at = Date.now();
  storeAnswer(state, run, type !== 'completed', message);
  emit(state, run, { type, ...extra });
}

export async function play(state, run, question) {
  const conversation = state.conversations.get(run.conversation);
  const wait = (/slow/i.test(question) ? 120 : 18) * state.pace;
  await pause(120 * state.pace);
  if (run.ended_at !== null) return;
  run.state = 'running';
  emit(state, run, { type: 'started', answer: run.answer, model: 'mock/paper-1' });
  if (run.mode === 'research' && !(await research(state, run, question, emit))) return;
  const found = passages(state, conversation, question);
  const vectors = found.some(({ source }) => source.vectors_ready);
  const timings = [
    { stage: 'keyword_search', micros: 1840, finished: true },
    { stage: 'vector_search', micros: 2210, finished: vectors },
    { stage: 'load_passages', micros: 90, finished: true },
  ];
  emit(state, run, {
    type: 'retrieved',
    mode: vectors ? 'hybrid' : 'keyword',
    passages: found.length,
    partial: false,
    timings,
  });
  emit(state, run, {
    type: 'context',
    prompt_tokens: 812,
    budget_tokens: 8000,
    messages_left_out: 0,
    passages_left_out: 0,
  });
  if (/warn/i.test(question)) {
    emit(state, run, {
      type: 'warning',
      code: 'context_near_limit',
      message:
        'The conversation nearly fills what the model may read: its oldest messages will soon be left out.',
    });
  }
  // For tests of how an answer is drawn.
  const said = /^Say: ([^]*)$/.exec(question)?.[1];
  const pieces = said
    ? [{ text: said }]
    : found.length
      ? compose(found, question)
      : [
          {
            text: 'The sources do not say. None of the enabled sources holds a passage about this question.',
          },
        ];
  let bytes = 0;
  for (const piece of pieces) {
    for (const part of piece.text?.match(/\s*\S+\s*|\s+/g) ?? []) {
      await pause(wait);
      if (run.ended_at !== null) return;
      run.text += part;
      bytes += Buffer.byteLength(part);
      emit(state, run, { type: 'delta', text: part });
      if (/fail/i.test(question) && run.text.length > 120) {
        endRun(state, run, 'failed', {
          code: 'unavailable',
          message:
            'mock/paper-1 cannot be reached, or broke off. Try again in a moment, or choose another model.',
          retryable: true,
          detail: 'mock/paper-1: call model: unavailable (status: 503, url: http://127.0.0.1:1/v1)',
        });
        return;
      }
    }
    if (piece.cite) {
      const citation = { ...piece.cite, at: bytes, at_utf16: run.text.length };
      run.citations.push(citation);
      emit(state, run, { type: 'citation', ...citation });
    }
  }
  const all = [
    ...timings,
    { stage: 'first_token', micros: 164_000, finished: true },
    { stage: 'generate', micros: Date.now() * 1000 - run.created_at * 1000, finished: true },
  ];
  const usage = {
    prompt_tokens: 812,
    completion_tokens: Math.ceil(run.text.length / 4),
    exact: false,
    cost_micros: null,
  };
  endRun(
    state,
    run,
    'completed',
    { usage, abstained: found.length === 0, dropped_citations: 0, timings: all },
    { usage, timings: all },
  );
}

export function openRun(state, conversation, question, ids) {
  const run = {
    id: newId(),
    notebook: conversation.notebook,
    conversation: conversation.id,
    question: ids.question,
    answer: newId(),
    state: 'queued',
    created_at: Date.now(),
    ended_at: null,
    log: [],
    listeners: new Set(),
    mode: ids.mode,
    text: '',
    citations: [],
    warnings: [],
  };
  state.runs.set(run.id, run);
  const notebook = state.notebooks.get(conversation.notebook);
  if (!notebook.named_by_user && notebook.name === 'Untitled notebook') notebook.name = question.slice(0, 48);
  if (conversation.title === '') conversation.title = question.slice(0, 60);
  conversation.updated_at = notebook.updated_at = Date.now();
  void play(state, run, question);
  return run;
}

export const publicRun = ({ id, notebook, conversation, question, answer, state, created_at, ended_at }) => ({
  id,
  notebook,
  conversation,
  question,
  answer,
  state,
  created_at,
  ended_at,
});
