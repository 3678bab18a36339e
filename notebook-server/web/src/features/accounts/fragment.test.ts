import { describe, expect, it } from 'vitest';
import { linkSecret } from './fragment';

describe('the secret of a link', () => {
  it('is read from behind the #', () => {
    expect(linkSecret('#invitation=nbi_aB-9.~')).toEqual({ kind: 'invitation', token: 'nbi_aB-9.~' });
    expect(linkSecret('#reset=x')).toEqual({ kind: 'reset', token: 'x' });
  });

  it.each(['', '#', '#reset=', '#reset=a b', '#other=x', '#reset=<b>', `#reset=${'a'.repeat(1025)}`])(
    'is nothing else: %s',
    (hash) => {
      expect(linkSecret(hash)).toBeNull();
    },
  );
});
