// The routes of docs/accounts.md over the mock's memory: [method, pattern, permission or rule, handler].
// `open` routes are anybody's; the others have a session, and `null` asks for no more than that.
import { Refusal, readJson } from '../http.mjs';
import { newId } from '../state.mjs';
import {
  addUser,
  addWorkspace,
  audit,
  checkPassword,
  clearing,
  cookiesOf,
  openSession,
  permissionsOf,
  ranks,
  renew,
  secret,
  view,
  wrong,
} from './store.mjs';

const DAY = 86_400_000;
const signIn = () => new Refusal(401, 'unauthenticated', 'Sign in first.');
const absent = (what) => new Refusal(404, 'not_found', `There is no such ${what}.`);
const find = (map, id, what, fits = () => true) => {
  const value = map.get(id);
  if (!value || !fits(value)) throw absent(what);
  return value;
};

const list = (items) => ({ items });

/** Answers with a session and its cookies. */
function give(accounts, res, session, status = 200) {
  res.setHeader('cache-control', 'no-store');
  res.setHeader('set-cookie', cookiesOf(accounts, session));
  return [status, view(accounts, session)];
}

const log = ({ accounts, session, workspace }, ...what) =>
  audit(workspace, accounts.now(), session.user, ...what);

function takeInvitation(accounts, token, email) {
  const invitation = [...accounts.invitations.values()].find(
    (each) => each.token === token && each.expires_at > accounts.now(),
  );
  if (!invitation || invitation.email !== email) throw absent('invitation');
  return invitation;
}

function join(accounts, user, invitation) {
  const workspace = accounts.workspaces.get(invitation.workspace);
  workspace.members.set(user.id, { role: invitation.role, since: accounts.now() });
  accounts.invitations.delete(invitation.id);
  audit(workspace, accounts.now(), user.id, 'member.joined', user.id, { detail: { role: invitation.role } });
  return workspace;
}

export const openRoutes = [
  [
    'GET',
    '/api/auth',
    ({ accounts }) => ({ mode: 'accounts', registration: accounts.registration, password_reset: false }),
  ],
  // Nobody stands behind the mock.
  ['GET', '/api/auth/oidc', () => list([])],
  [
    'POST',
    '/api/auth/register',
    async ({ accounts, req, res }) => {
      const body = await readJson(req);
      const email = (body.email ?? '').trim().toLowerCase();
      if (accounts.registration !== 'open' && !body.invitation)
        throw new Refusal(403, 'forbidden', 'You may not do this: ask for an invitation.');
      const invitation = body.invitation ? takeInvitation(accounts, body.invitation, email) : null;
      const user = addUser(accounts, body);
      const workspace = invitation ? join(accounts, user, invitation).id : user.home;
      return give(accounts, res, openSession(accounts, user, workspace, req), 201);
    },
  ],
  [
    'POST',
    '/api/auth/login',
    async ({ accounts, req, res }) => {
      const { email = '', password } = await readJson(req);
      const user = [...accounts.users.values()].find((each) => each.email === email.trim().toLowerCase());
      if (user?.password !== password) throw new Refusal(401, 'unauthenticated', 'Wrong email or password.');
      const home = accounts.workspaces.get(user.home);
      audit(home, accounts.now(), user.id, 'sign_in');
      return give(accounts, res, openSession(accounts, user, user.home, req));
    },
  ],
  [
    'POST',
    '/api/auth/refresh',
    ({ accounts, req, res }) => {
      accounts.counts.refresh += 1;
      const session = renew(accounts, req);
      accounts.counts[session ? 'renewed' : 'refused'] += 1;
      if (!session) throw signIn();
      return give(accounts, res, session);
    },
  ],
  [
    'POST',
    '/api/auth/logout',
    ({ accounts, session, res }) => {
      if (session) accounts.sessions.delete(session.id);
      res.setHeader('set-cookie', clearing);
    },
  ],
  [
    'POST',
    '/api/auth/password/reset',
    async ({ accounts, req }) => {
      const { token, password } = await readJson(req);
      const user = accounts.users.get(accounts.resets.get(token));
      if (!user) throw absent('reset');
      checkPassword(password);
      user.password = password;
      accounts.resets.delete(token);
      for (const session of accounts.sessions.values())
        if (session.user === user.id) accounts.sessions.delete(session.id);
    },
  ],
];

const mine = (all, session) => [...all.values()].filter((each) => each.user === session.user);
const shownSession = (session, current) => ({
  id: session.id,
  client: session.client,
  address: session.address,
  created_at: session.created_at,
  ends_at: session.ends_at,
  current: session.id === current,
});

const place = (workspace, user) => ({
  id: workspace.id,
  kind: workspace.kind,
  name: workspace.name,
  role: workspace.members.get(user).role,
});

function checkRole(own, ...roles) {
  for (const role of roles)
    if (ranks.indexOf(role) > ranks.indexOf(own))
      throw new Refusal(403, 'forbidden', 'A role above your own is not yours to give or take.');
}

const hidden = ({ token, workspace, ...shown }) => (void token, void workspace, shown);
const shownKey = ({ workspace, ...shown }) => (void workspace, shown);

export const memberRoutes = [
  ['GET', '/api/auth/session', null, ({ accounts, session }) => view(accounts, session)],
  [
    'POST',
    '/api/auth/workspace',
    null,
    async ({ accounts, session, req, res }) => {
      const { workspace } = await readJson(req);
      find(accounts.workspaces, workspace, 'workspace', (each) => each.members.has(session.user));
      session.workspace = workspace;
      session.access.clear();
      return give(accounts, res, session);
    },
  ],
  [
    'POST',
    '/api/auth/password',
    null,
    async (call) => {
      const { accounts, session, req, res } = call;
      const body = await readJson(req);
      const user = accounts.users.get(session.user);
      if (user.password !== body.old) throw wrong('old', 'give the present password');
      checkPassword(body.new, 'password');
      user.password = body.new;
      for (const other of mine(accounts.sessions, session)) accounts.sessions.delete(other.id);
      log(call, 'password.changed');
      return give(accounts, res, openSession(accounts, user, session.workspace, req));
    },
  ],
  [
    'POST',
    '/api/auth/invitation',
    null,
    async ({ accounts, session, req }) => {
      const user = accounts.users.get(session.user);
      const { token } = await readJson(req);
      return place(join(accounts, user, takeInvitation(accounts, token, user.email)), user.id);
    },
  ],
  ['GET', '/api/auth/identities', null, () => list([])],
  [
    'GET',
    '/api/auth/sessions',
    null,
    ({ accounts, session }) =>
      list(
        mine(accounts.sessions, session)
          .map((each) => shownSession(each, session.id))
          .reverse(),
      ),
  ],
  [
    'DELETE',
    '/api/auth/sessions/:id',
    null,
    (call) => {
      const { accounts, session, id } = call;
      find(accounts.sessions, id, 'session', (each) => each.user === session.user);
      accounts.sessions.delete(id);
      log(call, 'session.ended', id);
    },
  ],
  [
    'DELETE',
    '/api/auth/sessions',
    null,
    ({ accounts, session }) => {
      const others = mine(accounts.sessions, session).filter((each) => each.id !== session.id);
      for (const other of others) accounts.sessions.delete(other.id);
      return { ended: others.length };
    },
  ],
  [
    'GET',
    '/api/workspaces',
    null,
    ({ accounts, session }) =>
      list(
        [...accounts.workspaces.values()]
          .filter((each) => each.members.has(session.user))
          .map((each) => place(each, session.user)),
      ),
  ],
  [
    'POST',
    '/api/workspaces',
    null,
    async ({ accounts, session, req }) => {
      const { name } = await readJson(req);
      if (!name?.trim()) throw wrong('name', 'give 1 to 100 characters');
      return [201, place(addWorkspace(accounts, 'team', name.trim(), session.user), session.user)];
    },
  ],
  [
    'PATCH',
    '/api/workspace',
    'workspace.manage',
    async (call) => {
      call.workspace.name = (await readJson(call.req)).name;
      log(call, 'workspace.renamed', call.workspace.id);
      return place(call.workspace, call.session.user);
    },
  ],
  [
    'GET',
    '/api/members',
    'member.read',
    ({ accounts, workspace }) =>
      list(
        [...workspace.members].map(([id, { role, since }]) => {
          const { email, name } = accounts.users.get(id);
          return { user: id, email, name, role, since };
        }),
      ),
  ],
  [
    'PUT',
    '/api/members/:id',
    'member.manage',
    async (call) => {
      const { workspace, session, id, req } = call;
      const member = find(workspace.members, id, 'member');
      const { role } = await readJson(req);
      checkRole(workspace.members.get(session.user).role, member.role, role);
      member.role = role;
      log(call, 'role.changed', id, { detail: { role } });
    },
  ],
  [
    'DELETE',
    '/api/members/:id',
    'member.manage',
    (call) => {
      find(call.workspace.members, call.id, 'member');
      if (call.id === call.session.user)
        throw new Refusal(409, 'last_admin', 'A workspace keeps at least one admin.');
      call.workspace.members.delete(call.id);
      log(call, 'member.removed', call.id, { severity: 'warning' });
    },
  ],
  [
    'GET',
    '/api/invitations',
    'member.manage',
    ({ accounts, workspace }) =>
      list([...accounts.invitations.values()].filter((each) => each.workspace === workspace.id).map(hidden)),
  ],
  [
    'POST',
    '/api/invitations',
    'member.manage',
    async (call) => {
      const { accounts, workspace, session, req } = call;
      const { email, role } = await readJson(req);
      if (!/^\S+@\S+\.\S+$/.test(email ?? ''))
        throw wrong('email', 'give an address such as ada@example.org');
      checkRole(workspace.members.get(session.user).role, role);
      const at = accounts.now();
      const invitation = {
        id: newId(),
        email: email.toLowerCase(),
        role,
        by: session.user,
        created_at: at,
        expires_at: at + 7 * DAY,
        token: `nbi_${secret()}`,
        workspace: workspace.id,
      };
      accounts.invitations.set(invitation.id, invitation);
      log(call, 'invitation.made', invitation.id, { detail: { role } });
      return [201, { invitation: hidden(invitation), token: invitation.token }];
    },
  ],
  [
    'DELETE',
    '/api/invitations/:id',
    'member.manage',
    ({ accounts, workspace, id }) => {
      find(accounts.invitations, id, 'invitation', (each) => each.workspace === workspace.id);
      accounts.invitations.delete(id);
    },
  ],
  [
    'GET',
    '/api/keys',
    'api_key.create',
    ({ accounts, workspace }) =>
      list([...accounts.keys.values()].filter((each) => each.workspace === workspace.id).map(shownKey)),
  ],
  [
    'POST',
    '/api/keys',
    'api_key.create',
    async (call) => {
      const { accounts, workspace, session, req } = call;
      const { name, scopes, expires_at = null } = await readJson(req);
      if (!name?.trim()) throw wrong('name', 'give 1 to 100 characters');
      const allowed = permissionsOf(workspace.members.get(session.user).role);
      if (!scopes?.length || scopes.some((scope) => !allowed.includes(scope)))
        throw wrong('scopes', 'name at least one of your own permissions');
      const text = `nbk_${secret()}`;
      const key = {
        id: newId(),
        name: name.trim(),
        prefix: text.slice(0, 12),
        scopes,
        user: session.user,
        created_at: accounts.now(),
        expires_at,
        last_used_at: null,
        revoked_at: null,
        workspace: workspace.id,
      };
      accounts.keys.set(key.id, key);
      log(call, 'api_key.made', key.id, { detail: { scopes } });
      return [201, { key: shownKey(key), secret: text }];
    },
  ],
  [
    'DELETE',
    '/api/keys/:id',
    'api_key.create',
    (call) => {
      find(call.accounts.keys, call.id, 'key', (each) => each.workspace === call.workspace.id).revoked_at =
        call.accounts.now();
      log(call, 'api_key.revoked', call.id);
    },
  ],
  [
    'GET',
    '/api/audit',
    'audit.read',
    (call) => {
      const before = Number(call.url.searchParams.get('before') ?? Infinity);
      const limit = Number(call.url.searchParams.get('limit') ?? 50);
      const items = call.workspace.audit
        .filter((entry) => entry.seq < before)
        .slice(-limit)
        .reverse();
      return { items, next: items.at(-1)?.seq > 1 ? items.at(-1).seq : null };
    },
  ],
  [
    'GET',
    '/api/audit/verify',
    'audit.read',
    ({ workspace }) => {
      const last = workspace.audit.at(-1);
      return {
        entries: workspace.audit.length,
        head: last.hash,
        ok: !workspace.broken,
        break: workspace.broken,
      };
    },
  ],
];

/** What the routes of docs/rest.md ask of a role, by method and the path's beginning. */
export function permissionFor(method, path) {
  if (path.startsWith('/api/guard/reports'))
    return { GET: 'audit.read', POST: 'chat' }[method] ?? 'workspace.manage';
  if (method === 'GET') return 'notebook.read';
  if (/\/exports$/.test(path)) return 'export';
  if (/^\/api\/(runs|conversations)|\/conversations$/.test(path)) return 'chat';
  if (/sources/.test(path)) return 'source.write';
  return method === 'DELETE' ? 'notebook.delete' : 'notebook.write';
}
