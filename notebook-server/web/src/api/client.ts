import { isAbort, problemOf, unreachable } from './problem';

export interface Call {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** One request; throws a `Problem` for every failure but an abort. */
export async function send(path: string, call: Call = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
  const init: RequestInit = { method: call.method ?? 'GET', headers };
  if (call.body !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(call.body);
  }
  if (call.signal) init.signal = call.signal;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw unreachable();
  }
  if (!response.ok) {
    throw problemOf(response.status, await response.text(), response.headers.get('x-request-id'));
  }
  return response;
}

/** One request whose reply is JSON of the given shape. */
export async function json<T>(path: string, call: Call = {}): Promise<T> {
  const response = await send(path, call);
  return (await response.json()) as T;
}
