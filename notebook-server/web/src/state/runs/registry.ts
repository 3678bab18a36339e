import { runs } from '@/api/endpoints';
import { asProblem } from '@/api/problem';
import { readStream } from '@/api/sse/reader';
import type { SseEvent } from '@/api/sse/parser';
import type { Id, RunEvent } from '@/api/types';
import { reportStream } from '@/state/connection';
import { type Store, createStore } from '@/state/store';
import { frameBatcher } from './frames';
import { type LiveRun, ended, freshRun, orderOf, stepAll } from './reducer';

interface Entry {
  store: Store<LiveRun>;
  holders: number;
  reader: AbortController | null;
}

const entries = new Map<Id, Entry>();
const KEPT = 50;

/** The state of a run as far as this page has read it. */
export const runStore = (id: Id): Store<LiveRun> => entryOf(id).store;

/**
 * Reads a run's events while anyone holds it; one reader however many hold it. Letting
 * go closes the connection, keeps what was read, and does not stop the run. A later
 * holder goes on from there.
 */
export function holdRun(id: Id): () => void {
  const entry = entryOf(id);
  entry.holders += 1;
  if (!entry.reader && !ended(entry.store.get())) entry.reader = startReader(id, entry);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    entry.holders -= 1;
    if (entry.holders === 0) {
      entry.reader?.abort();
      entry.reader = null;
    }
  };
}

function entryOf(id: Id): Entry {
  const known = entries.get(id);
  if (known) return known;
  const entry: Entry = { store: createStore(freshRun), holders: 0, reader: null };
  entries.set(id, entry);
  for (const [old, other] of entries) {
    if (entries.size <= KEPT) break;
    if (other.holders === 0 && old !== id) entries.delete(old);
  }
  return entry;
}

function startReader(id: Id, entry: Entry): AbortController {
  const controller = new AbortController();
  const batch = frameBatcher<RunEvent>((events) => entry.store.set((run) => stepAll(run, events)));
  let received = entry.store.get().lastSeq;
  const onEvent = (event: SseEvent): boolean => {
    const parsed = JSON.parse(event.data) as RunEvent;
    const order = orderOf(received, parsed);
    if (order === 'repeat') return false;
    // Thrown out of the reader, which then resumes after the last event it took.
    if (order === 'gap') throw new Error(`run ${id}: event ${parsed.seq} after ${received}`);
    received = parsed.seq;
    batch.push(parsed);
    return ['completed', 'stopped', 'failed', 'abandoned'].includes(parsed.type);
  };
  void readStream({
    path: runs.events(id),
    signal: controller.signal,
    lastId: received > 0 ? `${id}:${received}` : '',
    onEvent,
    onState: (state) => reportStream(id, state),
  })
    .catch((error: unknown) => entry.store.set((run) => ({ ...run, ...lost(error) })))
    .finally(() => {
      batch.flush();
      reportStream(id, 'closed');
      if (entry.reader === controller) entry.reader = null;
    });
  return controller;
}

function lost(error: unknown): Partial<LiveRun> {
  const problem = asProblem(error);
  return {
    state: 'failed',
    failure: {
      // Of the page: how the run itself ended is not known.
      code: 'unread',
      message: problem.detail,
      detail: `${problem.code}: ${problem.detail}`,
      retryable: problem.retryable,
      requestId: problem.requestId,
    },
  };
}
