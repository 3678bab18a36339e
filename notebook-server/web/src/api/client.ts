import { keeper } from './keeper';
import { isAbort, problemOf, unreachable } from './problem';

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/**
 * One request, sent again once when it met 401 and the session could be renewed. Throws a
 * `Problem` for every failure but an abort.
 */
export async function send(path: string, call: Call = {}): Promise<Response> {
  const session = keeper();
  if (!session) return succeeded(await request(path, call));
  const signal = call.signal ? AbortSignal.any([call.signal, session.signal]) : session.signal;
  const turn = session.turn();
  const response = await request(path, { ...call, signal });
  if (response.status !== 401) return succeeded(response);
  await session.recover(turn);
  return succeeded(await request(path, { ...call, signal }));
}

/** One request whose reply is JSON of the given shape. */
export async function json<T>(path: string, call: Call = {}): Promise<T> {
  const response = await send(path, call);
  return (await response.json()) as T;
}

/** One request and whatever the server says to it. Throws only when it says nothing. */
export async function request(path: string, call: Call = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
  const init: RequestInit = { method: call.method ?? 'GET', headers };
  if (call.body !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(call.body);
  }
  if (call.signal) init.signal = call.signal;
  try {
    return await fetch(path, init);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw unreachable();
  }
}

/** The reply, if it is none of an error. */
export async function succeeded(response: Response): Promise<Response> {
  if (response.ok) return response;
  const { headers, status } = response;
  throw problemOf(status, await response.text(), headers.get('x-request-id'), headers.get('retry-after'));
}
