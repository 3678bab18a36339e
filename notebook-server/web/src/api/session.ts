import { request, succeeded } from './client';
import { Problem } from './problem';
import type { Id } from './types';

/** Who may sign in here, and who may become a user. */
export type AuthMode =
  | { mode: 'single_user' }
  | {
      mode: 'accounts';
      registration: 'open' | 'invited' | 'closed';
      /** Whether mail to set a forgotten password can be asked for. */
      password_reset?: boolean;
    };

export type Role = 'viewer' | 'analyst' | 'data_scientist' | 'admin';

export type Permission =
  | 'notebook.read'
  | 'notebook.write'
  | 'notebook.delete'
  | 'source.write'
  | 'chat'
  | 'export'
  | 'member.read'
  | 'member.manage'
  | 'api_key.create'
  | 'api_key.manage'
  | 'audit.read'
  | 'workspace.manage'
  | 'usage.read';

export interface Workspace {
  id: Id;
  kind: 'personal' | 'team';
  name: string;
  role: Role;
}

/** Who acts, and in which workspace. */
export interface Session {
  user: { id: Id; email: string; name: string };
  workspace: Workspace;
  permissions: Permission[];
  /** When the access token ends, by the server's clock; not known to a server that only says who it is from. */
  expires_at?: number;
  session_ends_at: number;
}

export interface Registration {
  email: string;
  name: string;
  password: string;
  invitation?: string;
}

/** A session as the server just told it. */
export interface Told {
  session: Session;
  /** The server's clock when it said so, to the second; null when it does not tell. */
  date: number | null;
}

/** After so long without a reply the result of a request is not known. */
const PATIENCE = 10_000;

// These never wait for a renewal: they are what a renewal is made of.
const ask = async (path: string, method: 'GET' | 'POST', body?: unknown): Promise<Response> =>
  succeeded(
    await request(path, {
      method,
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(PATIENCE),
    }),
  );

async function told(reply: Promise<Response>): Promise<Told> {
  const response = await reply;
  const date = Date.parse(response.headers.get('date') ?? '');
  return { session: (await response.json()) as Session, date: Number.isNaN(date) ? null : date };
}

async function mode(): Promise<AuthMode> {
  try {
    return (await (await ask('/api/auth', 'GET')).json()) as AuthMode;
  } catch (error) {
    // A server from before there were accounts.
    if (error instanceof Problem && error.status === 404) return { mode: 'single_user' };
    throw error;
  }
}

/** An OpenID provider that people may sign in at. */
export interface Provider {
  name: string;
  label: string;
}

async function providers(): Promise<Provider[]> {
  try {
    return ((await (await ask('/api/auth/oidc', 'GET')).json()) as { items: Provider[] }).items;
  } catch (error) {
    // A server from before there were any.
    if (error instanceof Problem && error.status === 404) return [];
    throw error;
  }
}

/** Where the browser has to go to sign in at a provider. */
async function toProvider(name: string, body: { to: string; invitation?: string }): Promise<string> {
  const reply = await ask(`/api/auth/oidc/${name}/start`, 'POST', body);
  return ((await reply.json()) as { location: string }).location;
}

export const auth = {
  mode,
  providers,
  toProvider,
  session: (): Promise<Told> => told(ask('/api/auth/session', 'GET')),
  refresh: (): Promise<Told> => told(ask('/api/auth/refresh', 'POST')),
  login: (body: { email: string; password: string }): Promise<Told> =>
    told(ask('/api/auth/login', 'POST', body)),
  register: (body: Registration): Promise<Told> => told(ask('/api/auth/register', 'POST', body)),
  logout: (): Promise<Response> => ask('/api/auth/logout', 'POST'),
  toWorkspace: (workspace: Id): Promise<Told> => told(ask('/api/auth/workspace', 'POST', { workspace })),
  password: (body: { old: string; new: string }): Promise<Told> =>
    told(ask('/api/auth/password', 'POST', body)),
  forgot: (body: { email: string }): Promise<Response> => ask('/api/auth/password/forgot', 'POST', body),
  reset: (body: { token: string; password: string }): Promise<Response> =>
    ask('/api/auth/password/reset', 'POST', body),
};
