import { keeper } from './keeper';
import { type Problem, asProblem, isAbort, problemOf, unreachable } from './problem';
import type { Source } from './types';

export interface UploadHandlers<T = Source> {
  progress: (sent: number, total: number) => void;
  done: (reply: T) => void;
  failed: (problem: Problem) => void;
}

interface Reply {
  status: number;
  text: string;
  requestId: string | null;
  retryAfter: string | null;
}

/**
 * Sends one file and returns the function that cancels it. The session is renewed first where its time has come, and a
 * file that met 401 all the same is sent once more.
 */
export function upload<T = Source>(path: string, file: File, on: UploadHandlers<T>): () => void {
  const cancel = new AbortController();
  const session = keeper();
  const signal = session ? AbortSignal.any([cancel.signal, session.signal]) : cancel.signal;
  const whole = async (): Promise<T> => {
    await session?.fresh();
    const turn = session?.turn() ?? 0;
    let reply = await put(path, file, on.progress, signal);
    if (reply.status === 401 && session) {
      await session.recover(turn);
      reply = await put(path, file, on.progress, signal);
    }
    const { status, text, requestId, retryAfter } = reply;
    if (status < 200 || status > 299) throw problemOf(status, text, requestId, retryAfter);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw problemOf(502, '', requestId);
    }
  };
  whole().then(
    (reply) => {
      if (!signal.aborted) on.done(reply);
    },
    (error: unknown) => {
      if (!signal.aborted && !isAbort(error)) on.failed(asProblem(error));
    },
  );
  return () => cancel.abort();
}

/** One request, by XMLHttpRequest, because fetch tells nothing about bytes sent. */
function put(
  path: string,
  file: File,
  progress: (sent: number, total: number) => void,
  signal: AbortSignal,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const stop = (): void => request.abort();
    const form = new FormData();
    form.append('file', file, file.name);
    request.open('POST', path);
    request.setRequestHeader('accept', 'application/json');
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress(event.loaded, event.total);
    };
    request.onload = () =>
      resolve({
        status: request.status,
        text: request.responseText,
        requestId: request.getResponseHeader('x-request-id'),
        retryAfter: request.getResponseHeader('retry-after'),
      });
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException('The upload was stopped.', 'AbortError'));
    request.onloadend = () => signal.removeEventListener('abort', stop);
    signal.addEventListener('abort', stop, { once: true });
    request.send(form);
  });
}
