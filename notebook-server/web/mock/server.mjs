// A small server for developing and testing the page without the real one.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { serveAccounts } from './accounts/serve.mjs';
import { createAccounts } from './accounts/store.mjs';
import { Refusal, serveFile } from './http.mjs';
import { routes } from './routes.mjs';
import { createState } from './state.mjs';

const compile = ([method, pattern, handler]) => ({
  method,
  pattern: new RegExp(`^${pattern.replace(':id', '(?<id>[0-9a-f-]{36})')}$`),
  handler,
});

function reply(res, result) {
  if (result === res) return;
  const [status, body] = Array.isArray(result) ? result : [result === undefined ? 204 : 200, result];
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(body === undefined ? undefined : JSON.stringify(body));
}

function refuse(res, error, request) {
  const known =
    error instanceof Refusal ? error : new Refusal(500, 'internal', String(error?.stack ?? error));
  const body = {
    type: 'about:blank',
    title: known.code,
    status: known.status,
    code: known.code,
    detail: known.detail,
    field: known.field,
    labels: known.labels,
    request_id: request,
  };
  if (!res.headersSent) res.writeHead(known.status, { 'content-type': 'application/problem+json' });
  res.end(JSON.stringify(body));
}

const singleUser = ['GET', '/api/auth', () => ({ mode: 'single_user' })];

/** Starts it and resolves with its address. `pace` 0 makes it answer at once; with `accounts` people sign in. */
export function startMock(options = {}) {
  const state = createState(options);
  const table = [singleUser, ...routes(state)].map(compile);
  const accounts = options.accounts ? createAccounts({ ...options.accounts, pace: options.pace }) : null;
  const signedIn = accounts && serveAccounts(accounts, compile);
  const server = createServer(async (req, res) => {
    const url = new URL(req.url, 'http://mock');
    const request = randomUUID();
    res.setHeader('x-request-id', request);
    try {
      if (url.pathname === '/openapi.json') {
        res.setHeader('content-type', 'application/json');
        res.end(await readFile(new URL('./openapi.json', import.meta.url)));
        return;
      }
      if (!url.pathname.startsWith('/api/')) return await serveFile(url.pathname, res);
      if (signedIn) return reply(res, await signedIn(req, res, url));
      for (const { method, pattern, handler } of table) {
        const match = method === req.method && pattern.exec(url.pathname);
        if (match) return reply(res, await handler({ req, res, url, id: match.groups?.id }));
      }
      throw new Refusal(404, 'not_found', 'There is nothing here.');
    } catch (error) {
      refuse(res, error, request);
    }
  });
  return new Promise((resolve) => {
    server.listen(options.port ?? 0, '127.0.0.1', () => {
      const url = `http://127.0.0.1:${server.address().port}`;
      const stop = () => {
        const closed = new Promise((done) => server.close(done));
        server.closeAllConnections();
        return closed;
      };
      // Cuts every connection, open streams too.
      const cut = () => server.closeAllConnections();
      resolve({ url, state, accounts, stop, cut });
    });
  });
}
