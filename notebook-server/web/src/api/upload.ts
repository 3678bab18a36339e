import type { Source } from './types';
import { type Problem, problemOf, unreachable } from './problem';

export interface UploadHandlers<T = Source> {
  progress: (sent: number, total: number) => void;
  done: (reply: T) => void;
  failed: (problem: Problem) => void;
}

/**
 * Sends one file and returns the function that cancels it. XMLHttpRequest, because
 * fetch tells nothing about bytes sent.
 */
export function upload<T = Source>(path: string, file: File, on: UploadHandlers<T>): () => void {
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append('file', file, file.name);
  request.open('POST', path);
  request.setRequestHeader('accept', 'application/json');
  request.upload.onprogress = (event) => {
    if (event.lengthComputable) on.progress(event.loaded, event.total);
  };
  request.onload = () => {
    if (request.status < 200 || request.status > 299) {
      on.failed(problemOf(request.status, request.responseText, request.getResponseHeader('x-request-id')));
      return;
    }
    try {
      on.done(JSON.parse(request.responseText) as T);
    } catch {
      on.failed(problemOf(502, '', request.getResponseHeader('x-request-id')));
    }
  };
  request.onerror = () => on.failed(unreachable());
  request.send(form);
  return () => request.abort();
}
