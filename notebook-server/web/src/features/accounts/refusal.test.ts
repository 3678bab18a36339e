import { describe, expect, test } from 'vitest';
import { de } from '@/i18n/accounts/de';
import { en } from '@/i18n/accounts/en';
import { providerRefusal, refusalText } from './refusal';

// The codes of the server: notebook_auth::oidc::Refusal.
const codes = [
  'expired',
  'denied',
  'unavailable',
  'misconfigured',
  'invalid',
  'email_missing',
  'email_unverified',
  'domain',
  'email_taken',
  'closed',
  'not_invited',
  'linked_elsewhere',
  'too_many_links',
  'disabled',
  'signed_out',
  'failed',
];

describe('what a provider refused', () => {
  test('stands in the address, and nothing else of it is believed', () => {
    const found = { kind: 'sign_in', reason: 'expired', provider: 'example' };
    expect(providerRefusal('?sign_in=expired&provider=example')).toEqual(found);
    expect(providerRefusal('?link=expired&provider=a-1')).toEqual({
      kind: 'link',
      reason: 'expired',
      provider: 'a-1',
    });
    for (const search of [
      '',
      '?sign_in=expired',
      '?provider=example',
      '?sign_in=Call+us+at&provider=example',
      '?sign_in=expired&provider=Call+us',
    ]) {
      expect(providerRefusal(search), search).toBeNull();
    }
  });

  test('has words in every language', () => {
    for (const text of [en, de]) {
      expect(Object.keys(text.providerRefusals).sort()).toEqual([...codes].sort());
      const say = (reason: string) => refusalText({ kind: 'sign_in', reason, provider: 'example' }, text);
      expect(new Set(codes.map(say)).size).toBe(codes.length);
      expect(say('constructor')).toBe(text.providerRefused('example'));
    }
  });
});
