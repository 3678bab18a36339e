import { sources } from '@/api/endpoints';
import { type Problem, asProblem } from '@/api/problem';
import type { Id, Source } from '@/api/types';
import { upload } from '@/api/upload';
import { uuidV7 } from '@/lib/uuid';
import { makeReal } from '@/state/drafts';
import { createStore } from '@/state/store';
import { type UploadEvent, type UploadState, inFlight, stepUpload } from './upload-machine';

export interface Upload {
  id: Id;
  notebook: Id;
  file: File;
  state: UploadState;
}

/** Files on their way, of all notebooks: leaving a notebook does not end its uploads. */
export const uploads = createStore<readonly Upload[]>([]);

const AT_ONCE = 2;
const cancels = new Map<Id, () => void>();
const accepted = new Set<(source: Source) => void>();

/** Calls back for each file that the server took; returns how to stop that. */
export function onAccepted(listener: (source: Source) => void): () => void {
  accepted.add(listener);
  return () => accepted.delete(listener);
}

/** Checks that the server need not be asked for; the reason when a file cannot be taken. */
export type Refuse = (file: File) => string | null;

export function addUploads(notebook: Id, files: Iterable<File>, refuse: Refuse): void {
  const added = Array.from(files, (file): Upload => {
    const reason = refuse(file);
    const state: UploadState = reason
      ? { kind: 'failed', code: 'refused', message: reason, requestId: null, retryable: false }
      : { kind: 'waiting' };
    return { id: uuidV7(), notebook, file, state };
  });
  uploads.set((before) => [...before, ...added]);
  startNext();
}

export function cancelUpload(id: Id): void {
  cancels.get(id)?.();
  cancels.delete(id);
  remove(id);
  startNext();
}

export function retryUpload(id: Id): void {
  change(id, { kind: 'retry' });
  startNext();
}

const remove = (id: Id): void => uploads.set((before) => before.filter((each) => each.id !== id));

const change = (id: Id, event: UploadEvent): void =>
  uploads.set((before) =>
    before.map((each) => (each.id === id ? { ...each, state: stepUpload(each.state, event) } : each)),
  );

function startNext(): void {
  const all = uploads.get();
  const room = AT_ONCE - all.filter((each) => inFlight(each.state)).length;
  const waiting = all.filter((each) => each.state.kind === 'waiting');
  for (const next of waiting.slice(0, Math.max(0, room))) void start(next);
}

async function start({ id, notebook, file }: Upload): Promise<void> {
  change(id, { kind: 'start', total: file.size });
  let wanted = true;
  cancels.set(id, () => (wanted = false));
  const fail = (problem: Problem): void => {
    cancels.delete(id);
    change(id, { kind: 'failed', problem });
    startNext();
  };
  try {
    await makeReal(notebook);
  } catch (error) {
    return fail(asProblem(error));
  }
  if (!wanted) return;
  const abort = upload(sources.uploadPath(notebook), file, {
    progress: (sent, total) => change(id, { kind: 'progress', sent, total }),
    failed: fail,
    done: (source) => {
      cancels.delete(id);
      for (const listener of accepted) listener(source);
      remove(id);
      startNext();
    },
  });
  cancels.set(id, abort);
}
