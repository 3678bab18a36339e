// Who a request is from, and what they may do: in front of the mock's routes.
import { Refusal } from '../http.mjs';
import { routes } from '../routes.mjs';
import { memberRoutes, openRoutes, permissionFor } from './routes.mjs';
import { bearer, permissionsOf } from './store.mjs';

const isOwn = (req) =>
  ['GET', 'HEAD'].includes(req.method) || req.headers['sec-fetch-site'] === 'same-origin';

/** Answers a request of `/api/`: `match` finds the handler in a table of routes. */
export function serveAccounts(accounts, compile) {
  const open = openRoutes.map(compile);
  const member = memberRoutes.map(([method, pattern, needs, handler]) => ({
    ...compile([method, pattern, handler]),
    needs,
  }));
  const tables = new Map();
  const find = (table, req, url) => {
    for (const route of table) {
      const match = route.method === req.method && route.pattern.exec(url.pathname);
      if (match) return { ...route, id: match.groups?.id };
    }
    return null;
  };
  const tableOf = (workspace) => {
    if (!tables.has(workspace.id)) tables.set(workspace.id, routes(workspace.state).map(compile));
    return tables.get(workspace.id);
  };
  return async (req, res, url) => {
    res.setHeader('date', new Date(accounts.now()).toUTCString());
    const fault = accounts.fault(req.method, url.pathname);
    if (fault instanceof Refusal) throw fault;
    const result = await answer(req, res, url);
    if (fault !== 'lost') return result;
    req.socket.destroy();
    return res;
  };
  async function answer(req, res, url) {
    if (!isOwn(req)) throw new Refusal(403, 'forbidden', 'A request by cookie comes from the page itself.');
    const session = bearer(accounts, req);
    const call = { accounts, session, req, res, url };
    const anyones = find(open, req, url);
    if (anyones) return anyones.handler(call);
    if (!session) {
      accounts.counts.unauthorized += 1;
      res.setHeader('www-authenticate', 'Bearer');
      throw new Refusal(401, 'unauthenticated', 'Sign in first.');
    }
    const workspace = accounts.workspaces.get(session.workspace);
    const role = workspace.members.get(session.user)?.role;
    if (!role) throw new Refusal(403, 'forbidden', 'You are not in this workspace any more.');
    const found = find(member, req, url) ?? find(tableOf(workspace), req, url);
    if (!found) throw new Refusal(404, 'not_found', 'There is nothing here.');
    const needs = found.needs === undefined ? permissionFor(req.method, url.pathname) : found.needs;
    if (needs && !permissionsOf(role).includes(needs))
      throw new Refusal(403, 'forbidden', `This needs the permission \`${needs}\`.`);
    return found.handler({ ...call, workspace, id: found.id });
  }
}
