import { describe, expect, it } from 'vitest';
import { limitOf, mediumOf, timeOf } from './kinds';

describe('kinds of files', () => {
  it('A2: images and recordings have limits of their own', () => {
    const limits = { document_bytes: 3, image_bytes: 1, audio_bytes: 2 };
    const of = (name: string): number => limitOf(new File([''], name), limits);
    expect(['a.PNG', 'a.mp3', 'a.pdf', 'png', 'a'].map(of)).toEqual([1, 2, 3, 1, 3]);
    expect(limitOf(null, undefined)).toBe(100_000_000);
    expect(mediumOf('jpeg')).toBe('image');
  });

  it('A2: parts of recordings are times', () => {
    expect([1, 43, 61, 3724].map(timeOf)).toEqual(['0:00', '0:42', '1:00', '1:02:03']);
  });
});
