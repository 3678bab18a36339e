import { describe, expect, it } from 'vitest';
import { formatBytes, formatMicros, formatUsd } from './format';
import { utf16At, utf8Length } from './utf8';
import { isUuid, layoutUuidV7, uuidV7 } from './uuid';

describe('uuid version 7', () => {
  it('holds time, version and variant where the standard puts them', () => {
    const id = layoutUuidV7(0x017f22e279b0, new Uint8Array(10).fill(0xff));
    expect(id).toBe('017f22e2-79b0-7fff-bfff-ffffffffffff');
  });

  it('sorts by time', () => {
    const random = new Uint8Array(10);
    const times = [1, 255, 256, 2 ** 32 - 1, 2 ** 32, 1_800_000_000_000];
    const ids = times.map((time) => layoutUuidV7(time, random));
    expect([...ids].sort()).toEqual(ids);
  });

  it('makes different, valid ids', () => {
    const ids = new Set(Array.from({ length: 500 }, uuidV7));
    expect(ids.size).toBe(500);
    for (const id of ids) expect(isUuid(id) && id[14] === '7').toBe(true);
  });
});

describe('utf16At', () => {
  it.each(['plain', 'Grüße', '한국어 text', 'a👋b👩‍👧c'])('agrees with the encoder for %s', (text) => {
    for (let index = 0; index <= text.length; index += 1) {
      const half = text.charCodeAt(index) >= 0xdc00 && text.charCodeAt(index) <= 0xdfff;
      if (!half) expect(utf16At(text, utf8Length(text.slice(0, index)))).toBe(index);
    }
  });

  it('gives the start of the character for an offset inside it, and clamps', () => {
    expect(utf16At('a👋b', 3)).toBe(1);
    expect(utf16At('ab', 99)).toBe(2);
  });
});

describe('formats', () => {
  it('writes sizes and times for people', () => {
    expect(formatBytes(999, 'en')).toBe('999\u00a0B');
    expect(formatBytes(3_440_000, 'en')).toBe('3.4\u00a0MB');
    expect(formatMicros(2_140_000, 'de')).toBe('2,1\u00a0s');
    expect(formatMicros(340_000, 'en')).toBe('340\u00a0ms');
  });
});

describe('costs', () => {
  it('have as many digits as say something', () => {
    expect(formatUsd(4_200, 'en')).toBe('$0.0042');
    expect(formatUsd(33, 'en')).toBe('$0.000033');
    expect(formatUsd(1_234_567, 'en')).toBe('$1.23');
    expect(formatUsd(0, 'en')).toBe('$0.00');
  });
});
