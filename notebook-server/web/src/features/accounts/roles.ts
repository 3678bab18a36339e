import type { Role } from '@/api/session';
import type { AccountDictionary } from '@/i18n/accounts/en';

/** From the least to the most. */
export const roles: readonly Role[] = ['viewer', 'analyst', 'data_scientist', 'admin'];

/** The roles that somebody may give: none above their own. */
export const rolesUpTo = (own: Role): readonly Role[] => roles.slice(0, roles.indexOf(own) + 1);

export const isWithin = (role: Role, own: Role): boolean => roles.indexOf(role) <= roles.indexOf(own);

export const roleName = (role: Role, text: AccountDictionary): string =>
  ({
    viewer: text.roleViewer,
    analyst: text.roleAnalyst,
    data_scientist: text.roleDataScientist,
    admin: text.roleAdmin,
  })[role];

export const roleHint = (role: Role, text: AccountDictionary): string =>
  ({
    viewer: text.roleViewerHint,
    analyst: text.roleAnalystHint,
    data_scientist: text.roleDataScientistHint,
    admin: text.roleAdminHint,
  })[role];
