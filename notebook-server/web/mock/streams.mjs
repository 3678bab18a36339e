// Server-sent events of the mock server.
import { publicSource } from './state.mjs';

function open(req, res, heartbeat) {
  res.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  res.flushHeaders();
  const beat = setInterval(() => res.write(': beat\n\n'), heartbeat);
  return (leave) =>
    res.on('close', () => {
      clearInterval(beat);
      leave();
    });
}

export function sourceEvents(state, notebook, req, res) {
  const closed = open(req, res, 15_000);
  const write = (event, data) => res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  for (const source of state.sources.values()) {
    if (source.notebook === notebook.id) write('source', publicSource(source));
  }
  const listeners = state.listeners.get(notebook.id) ?? new Set();
  state.listeners.set(notebook.id, listeners.add(write));
  closed(() => listeners.delete(write));
  return res;
}

const terminal = new Set(['completed', 'stopped', 'failed', 'abandoned']);

export function runEvents(run, req, res, url) {
  const closed = open(req, res, 15_000);
  const resume = String(req.headers['last-event-id'] ?? url.searchParams.get('after') ?? '');
  const after = Number(resume.split(':').at(-1)) || 0;
  const write = (event) => {
    res.write(`id: ${run.id}:${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    if (terminal.has(event.type)) res.end();
  };
  for (const event of run.log) if (event.seq > after) write(event);
  if (!res.writableEnded) run.listeners.add(write);
  closed(() => run.listeners.delete(write));
  return res;
}
