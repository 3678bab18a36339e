import type { AccountDictionary } from '@/i18n/accounts/en';

/** Why a provider's answer came to nothing, as the server says in the address of the page. */
export interface ProviderRefusal {
  /** What was wanted. */
  kind: 'sign_in' | 'link';
  reason: string;
  provider: string;
}

export function providerRefusal(search: string): ProviderRefusal | null {
  const query = new URLSearchParams(search);
  const provider = query.get('provider');
  for (const kind of ['sign_in', 'link'] as const) {
    const reason = query.get(kind);
    if (reason && provider && /^[a-z_]{1,40}$/.test(reason) && /^[a-z0-9-]{1,40}$/.test(provider)) {
      return { kind, reason, provider };
    }
  }
  return null;
}

/** In words; of a reason that this page does not know, that it did not work. */
export function refusalText({ reason, provider }: ProviderRefusal, text: AccountDictionary): string {
  const known = text.providerRefusals as Record<string, string | undefined>;
  return (Object.hasOwn(known, reason) ? known[reason] : undefined) ?? text.providerRefused(provider);
}

/** Takes it out of the address: loaded again, the page does not say it again. */
export function forgetRefusal(): void {
  const query = new URLSearchParams(location.search);
  for (const name of ['sign_in', 'link', 'provider']) query.delete(name);
  const rest = query.size > 0 ? `?${query}` : '';
  history.replaceState(history.state, '', location.pathname + rest + location.hash);
}
