import { useQuery } from '@tanstack/react-query';
import { invitations, keys, members, sessions, workspaces } from '@/api/accounts';
import { auth } from '@/api/session';
import type { Id } from '@/api/types';
import { session } from '@/state/session';

export const accountKeys = {
  sessions: ['account', 'sessions'],
  identities: ['account', 'identities'],
  workspaces: ['account', 'workspaces'],
  members: ['account', 'members'],
  invitations: ['account', 'invitations'],
  keys: ['account', 'keys'],
  audit: ['account', 'audit'],
  reports: ['account', 'reports'],
} as const;

export const useSessions = () => useQuery({ queryKey: accountKeys.sessions, queryFn: sessions.list });
export const useWorkspaces = () => useQuery({ queryKey: accountKeys.workspaces, queryFn: workspaces.list });
export const useMembers = (enabled = true) =>
  useQuery({ queryKey: accountKeys.members, queryFn: members.list, enabled });
export const useInvitations = (enabled: boolean) =>
  useQuery({ queryKey: accountKeys.invitations, queryFn: invitations.list, enabled });
export const useKeys = () => useQuery({ queryKey: accountKeys.keys, queryFn: keys.list });

/** Acts in another workspace from now on. The page is loaded anew for it. */
export const switchTo = (workspace: Id): Promise<void> => session.change(() => auth.toWorkspace(workspace));
