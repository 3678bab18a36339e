/**
 * A secret that a link brought: `#invitation=…` or `#reset=…`. What follows the # is sent to no server and written in no
 * log. It stays in the address until it is used, so that the page can be loaded again.
 */
export interface LinkSecret {
  kind: 'invitation' | 'reset';
  token: string;
}

export function linkSecret(hash: string): LinkSecret | null {
  const found = /^#(invitation|reset)=([\w.~-]{1,1024})$/.exec(hash);
  return found ? { kind: found[1] as LinkSecret['kind'], token: found[2] ?? '' } : null;
}

/** Takes the secret out of the address, and of the browser's history. */
export const forgetLinkSecret = (): void =>
  history.replaceState(null, '', location.pathname + location.search);

export const invitationLink = (token: string): string => `${location.origin}/#invitation=${token}`;
