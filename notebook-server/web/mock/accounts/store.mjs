// The mock's users, workspaces and sessions, as docs/accounts.md has them. Times are by `now`, which a test may turn.
import { createHash, randomBytes } from 'node:crypto';
import { Refusal } from '../http.mjs';
import { createState, newId } from '../state.mjs';

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

export const ranks = ['viewer', 'analyst', 'data_scientist', 'admin'];
const added = {
  viewer: ['notebook.read', 'member.read'],
  analyst: ['chat', 'export', 'api_key.create'],
  data_scientist: ['notebook.write', 'notebook.delete', 'source.write', 'usage.read'],
  admin: ['member.manage', 'api_key.manage', 'audit.read', 'workspace.manage'],
};
export const permissionsOf = (role) => ranks.slice(0, ranks.indexOf(role) + 1).flatMap((each) => added[each]);
export const secret = () => randomBytes(24).toString('base64url');

export function createAccounts({
  registration = 'open',
  accessLife = 15 * MINUTE,
  now = Date.now,
  pace,
} = {}) {
  return {
    registration,
    accessLife,
    now,
    pace,
    users: new Map(),
    workspaces: new Map(),
    sessions: new Map(),
    invitations: new Map(),
    resets: new Map(),
    keys: new Map(),
    /** What a test wants to know. */
    counts: { refresh: 0, renewed: 0, refused: 0, unauthorized: 0 },
    /** A test may answer a request itself: returns a Refusal, 'lost' for no reply, or nothing. */
    fault: () => undefined,
  };
}

export function audit(workspace, at, actor, action, target = null, more = {}) {
  const { severity = 'info', detail = {} } = more;
  const seq = workspace.audit.length + 1;
  const before = workspace.audit.at(-1)?.hash ?? '';
  const who = actor ? { kind: 'user', id: actor } : { kind: 'unknown' };
  const entry = { seq, at, actor: who, action, target, severity, detail };
  const hash = createHash('sha256')
    .update(before + JSON.stringify(entry))
    .digest('hex');
  workspace.audit.push({ ...entry, hash });
}

export function addWorkspace(accounts, kind, name, admin) {
  const workspace = {
    id: newId(),
    kind,
    name,
    members: new Map([[admin, { role: 'admin', since: accounts.now() }]]),
    audit: [],
    state: createState({ pace: accounts.pace }),
  };
  accounts.workspaces.set(workspace.id, workspace);
  audit(workspace, accounts.now(), admin, 'workspace.created', workspace.id);
  return workspace;
}

/** What is wrong with a field, in the server's words. */
export const wrong = (field, fix) => new Refusal(422, 'invalid_input', `\`${field}\`: ${fix}.`, field);

export function checkPassword(password, field = 'password') {
  if (Buffer.byteLength(password ?? '') < 8) throw wrong(field, 'give at least 8 bytes');
  if (/^password|12345678/i.test(password))
    throw wrong(field, 'choose one that is not among those that are tried first');
}

export function addUser(accounts, { email, name, password }) {
  const address = (email ?? '').trim().toLowerCase();
  if (!/^\S+@\S+\.\S+$/.test(address)) throw wrong('email', 'give an address such as ada@example.org');
  if (!name?.trim() || name.length > 100) throw wrong('name', 'give 1 to 100 characters');
  checkPassword(password);
  if ([...accounts.users.values()].some((user) => user.email === address))
    throw new Refusal(409, 'already_exists', 'Cannot create user (already_exists).', 'email');
  const user = { id: newId(), email: address, name: name.trim(), password };
  accounts.users.set(user.id, user);
  user.home = addWorkspace(accounts, 'personal', user.name, user.id).id;
  return user;
}

export function openSession(accounts, user, workspace, req) {
  const session = {
    id: newId(),
    user: user.id,
    workspace,
    generation: 0,
    used: 0,
    rotatedAt: accounts.now(),
    access: new Map(),
    client: req.headers['user-agent'] ?? null,
    address: '127.0.0.1',
    created_at: accounts.now(),
    ends_at: accounts.now() + 30 * DAY,
  };
  accounts.sessions.set(session.id, session);
  return session;
}

/** A new access token, and the cookies that carry both. */
export function cookiesOf(accounts, session) {
  const token = secret();
  session.access.set(token, {
    ends: accounts.now() + accounts.accessLife,
    generation: session.generation,
  });
  const attributes = 'HttpOnly; Secure; SameSite=Strict';
  return [
    `__Host-notebook_access=${session.id}.${token}; Path=/; Max-Age=${900}; ${attributes}`,
    `__Secure-notebook_refresh=${session.id}.${session.generation}; Path=/api/auth; Max-Age=${2_592_000}; ${attributes}`,
  ];
}

export const clearing = [
  '__Host-notebook_access=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
  '__Secure-notebook_refresh=; Path=/api/auth; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
];

const cookie = (req, name) =>
  new RegExp(`(?:^|; )${name}=([^;]*)`).exec(req.headers.cookie ?? '')?.[1]?.split('.') ?? [];

/** Whose request it is; none when its access token is missing or over. */
export function bearer(accounts, req) {
  const [id, token] = cookie(req, '__Host-notebook_access');
  const session = accounts.sessions.get(id);
  const access = session?.access.get(token);
  if (!access || accounts.now() >= access.ends) return null;
  session.used = Math.max(session.used, access.generation);
  return session;
}

const COALESCE = MINUTE;
const GRACE = MINUTE / 2;

/** The rules of rotation that a well-behaved browser meets: X5, X5b, X7, X8, and the end for all else. */
export function renew(accounts, req) {
  const [id, generation] = cookie(req, '__Secure-notebook_refresh');
  const session = accounts.sessions.get(id);
  if (!session) return null;
  const age = accounts.now() - session.rotatedAt;
  const behind = session.generation - Number(generation);
  if (behind === 0) {
    if (age >= COALESCE) {
      session.generation += 1;
      session.rotatedAt = accounts.now();
    }
    return session;
  }
  if (behind === 1 && (age <= GRACE || session.used < session.generation)) return session;
  accounts.sessions.delete(id);
  return null;
}

export function view(accounts, session) {
  const { id, email, name } = accounts.users.get(session.user);
  const workspace = accounts.workspaces.get(session.workspace);
  const { role } = workspace.members.get(session.user);
  return {
    user: { id, email, name },
    workspace: { id: workspace.id, kind: workspace.kind, name: workspace.name, role },
    permissions: permissionsOf(role),
    expires_at: Math.max(0, ...[...session.access.values()].map(({ ends }) => ends)),
    session_ends_at: session.ends_at,
  };
}
