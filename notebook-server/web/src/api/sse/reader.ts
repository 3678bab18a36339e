import { send } from '../client';
import { Problem, asProblem, isAbort } from '../problem';
import { backoff } from './backoff';
import { type SseEvent, sseParser } from './parser';

export interface ReaderOptions {
  path: string;
  signal: AbortSignal;
  /** Resume after this event id. */
  lastId?: string;
  /** Returns true when the stream is complete and must not be opened again. */
  onEvent: (event: SseEvent) => boolean | undefined;
  onState: (state: 'open' | 'waiting') => void;
}

/** Two missed heartbeats (15 s each) and some: then the connection is dead, though it looks open. */
const SILENCE = 45_000;

/**
 * Reads a stream until an event completes it, over as many connections as that takes.
 * Resolves when it is complete or aborted.
 *
 * @throws Problem when the server refuses for good (an unknown run, for instance).
 */
export async function readStream(options: ReaderOptions): Promise<void> {
  const { signal } = options;
  let lastId = options.lastId ?? '';
  let attempt = 0;
  let floor = 0;
  while (!signal.aborted) {
    try {
      const ended = await readOnce(options, lastId, {
        event: (event) => {
          lastId = event.id;
          attempt = 0;
        },
        retry: (milliseconds) => (floor = milliseconds),
      });
      if (ended) return;
    } catch (error) {
      if (signal.aborted) return;
      const problem = asProblem(error);
      if (!isAbort(error) && problem.status > 0 && !problem.retryable) throw problem;
    }
    if (signal.aborted) return;
    options.onState('waiting');
    await pause(backoff(attempt, Math.random(), floor), signal);
    attempt += 1;
  }
}

interface Seen {
  event: (event: SseEvent) => void;
  retry: (milliseconds: number) => void;
}

async function readOnce(options: ReaderOptions, lastId: string, seen: Seen): Promise<boolean> {
  const connection = new AbortController();
  const stop = (): void => connection.abort();
  options.signal.addEventListener('abort', stop, { once: true });
  let watchdog = setTimeout(stop, SILENCE);
  try {
    const response = await send(options.path, {
      signal: connection.signal,
      headers: { accept: 'text/event-stream', ...(lastId === '' ? {} : { 'last-event-id': lastId }) },
    });
    const type = response.headers.get('content-type') ?? '';
    if (!type.startsWith('text/event-stream') || !response.body) {
      throw new Problem('not_a_stream', `Expected a stream of events, got "${type}".`, 502);
    }
    options.onState('open');
    const parser = sseParser(lastId);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, SILENCE);
      const batch = parser.feed(value);
      if (batch.retry !== null) seen.retry(batch.retry);
      for (const event of batch.events) {
        if (options.signal.aborted) return true;
        // First the handler: an event it throws on is not taken, and comes again on resume.
        const complete = options.onEvent(event) === true;
        seen.event(event);
        if (complete) return true;
      }
    }
  } finally {
    clearTimeout(watchdog);
    options.signal.removeEventListener('abort', stop);
    connection.abort();
  }
}

/** Waits, but not past an abort, and no longer when the browser comes online. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      window.removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
    window.addEventListener('online', done, { once: true });
  });
}
