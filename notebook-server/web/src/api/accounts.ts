import { json, send } from './client';
import type { Permission, Role, Workspace } from './session';
import type { Id } from './types';

/** Shapes of docs/accounts.md. Times are milliseconds since the Unix epoch. */
export interface SignInSession {
  id: Id;
  client: string | null;
  address: string | null;
  created_at: number;
  ends_at: number;
  current: boolean;
}

export interface Member {
  user: Id;
  email: string;
  name: string;
  role: Role;
  since: number;
}

export interface Invitation {
  id: Id;
  email: string;
  role: Role;
  by: Id | null;
  created_at: number;
  expires_at: number;
}

export interface ApiKey {
  id: Id;
  name: string;
  prefix: string;
  scopes: Permission[];
  user: Id;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  revoked_at: number | null;
}

export interface AuditEntry {
  seq: number;
  at: number;
  actor: { kind: 'unknown' | 'system' | 'user' | 'key'; id?: Id | null };
  action: string;
  target: string | null;
  severity: 'info' | 'warning' | 'alarm';
  detail: unknown;
  hash: string;
}

export interface AuditVerdict {
  entries: number;
  ok: boolean;
  break?: { seq: number; fault: string } | null;
}

/** What the lists of an account come in; none of them has a second page. */
const list = async <T>(path: string): Promise<T[]> => (await json<{ items: T[] }>(path)).items;

export const sessions = {
  list: (): Promise<SignInSession[]> => list('/api/auth/sessions'),
  end: (id: Id): Promise<Response> => send(`/api/auth/sessions/${id}`, { method: 'DELETE' }),
  endOthers: (): Promise<{ ended: number }> => json('/api/auth/sessions', { method: 'DELETE' }),
};

/** An account at an OpenID provider by which one signs in. */
export interface Identity {
  id: Id;
  provider: string | null;
  issuer: string;
  created_at: number;
}

export const identities = {
  list: (): Promise<Identity[]> => list('/api/auth/identities'),
  unlink: (id: Id): Promise<Response> => send(`/api/auth/identities/${id}`, { method: 'DELETE' }),
  /** Where the browser has to go to link an account there. */
  link: async (provider: string): Promise<string> => {
    const body = { link: true, to: '/account/profile' };
    const path = `/api/auth/oidc/${provider}/start`;
    return (await json<{ location: string }>(path, { method: 'POST', body })).location;
  },
};

export const account = {
  /** Deletes my account, with what is only mine. */
  remove: (password: string): Promise<Response> =>
    send('/api/auth/account', { method: 'DELETE', body: { password } }),
};

export const workspaces = {
  list: (): Promise<Workspace[]> => list('/api/workspaces'),
  create: (name: string): Promise<Workspace> => json('/api/workspaces', { method: 'POST', body: { name } }),
  rename: (name: string): Promise<Response> => send('/api/workspace', { method: 'PATCH', body: { name } }),
  /** Deletes a team's workspace; its name is given again. */
  remove: (id: Id, name: string): Promise<Response> =>
    send(`/api/workspaces/${id}`, { method: 'DELETE', body: { name } }),
  /** Joins the workspace of an invitation. */
  join: (token: string): Promise<Workspace> =>
    json('/api/auth/invitation', { method: 'POST', body: { token } }),
};

export const members = {
  list: (): Promise<Member[]> => list('/api/members'),
  setRole: (user: Id, role: Role): Promise<Response> =>
    send(`/api/members/${user}`, { method: 'PUT', body: { role } }),
  remove: (user: Id): Promise<Response> => send(`/api/members/${user}`, { method: 'DELETE' }),
};

export const invitations = {
  list: (): Promise<Invitation[]> => list('/api/invitations'),
  /** `mailed`: whether it goes to the address by mail too. */
  create: (body: {
    email: string;
    role: Role;
  }): Promise<{ invitation: Invitation; token: string; mailed?: boolean }> =>
    json('/api/invitations', { method: 'POST', body }),
  remove: (id: Id): Promise<Response> => send(`/api/invitations/${id}`, { method: 'DELETE' }),
};

export const keys = {
  list: (): Promise<ApiKey[]> => list('/api/keys'),
  create: (body: {
    name: string;
    scopes: Permission[];
    expires_at?: number;
  }): Promise<{ key: ApiKey; secret: string }> => json('/api/keys', { method: 'POST', body }),
  revoke: (id: Id): Promise<Response> => send(`/api/keys/${id}`, { method: 'DELETE' }),
};

export const audit = {
  page: (before: number | null): Promise<{ items: AuditEntry[]; next: number | null }> =>
    json(`/api/audit?limit=50${before === null ? '' : `&before=${before}`}`),
  verify: (): Promise<AuditVerdict> => json('/api/audit/verify'),
};
