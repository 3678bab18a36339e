import { describe, expect, it } from 'vitest';
import { fromMarkdown } from 'mdast-util-from-markdown';
import type { Nodes } from 'mdast';
import { splitPieces } from './blocks';
import { groupMarks, placeMarks, valueIndex } from './marks';

/** The text with marks written as [n]. */
function draw(node: Nodes): string {
  const numbers = (node.data as { hProperties?: { dataNumbers?: string } } | undefined)?.hProperties
    ?.dataNumbers;
  if (numbers !== undefined) return `[${numbers}]`;
  if ('children' in node) return node.children.map((child) => draw(child)).join('');
  return 'value' in node ? node.value : '';
}

function placed(source: string, ...at: number[]): string {
  const root = fromMarkdown(source);
  placeMarks(root, source, groupMarks(at.map((at_utf16, index) => ({ number: index + 1, at_utf16 }))));
  return draw(root);
}

describe('placeMarks', () => {
  it('puts marks into plain text', () => {
    expect(placed('One. Two. Three.', 4, 16)).toBe('One.[1] Two. Three.[2]');
  });

  it('counts in UTF-16 units', () => {
    expect(placed('Hi 👋 there. Next', 12)).toBe('Hi 👋 there.[1] Next');
  });

  it('leaves emphasis whole', () => {
    expect(placed('**Bold.** Next', 9)).toBe('Bold.[1] Next');
    expect(placed('**Bold.** Next', 7)).toBe('Bold.[1] Next');
  });

  it('follows list items, escapes and references', () => {
    expect(placed('- one\n- two\n', 5, 11)).toBe('one[1]two[2]');
    expect(placed('5 \\* 6 = 30. End', 12)).toBe('5 * 6 = 30.[1] End');
    expect(placed('A &amp; B. End', 10)).toBe('A & B.[1] End');
  });

  it('goes behind code and never into it', () => {
    expect(placed('Use `cargo run` now', 10)).toBe('Use cargo run[1] now');
    expect(placed('```\ncode\n```\n\nAfter', 12)).toBe('code[1]After');
  });

  it('keeps marks past the end or at the start', () => {
    expect(placed('Text', 99)).toBe('Text[1]');
    expect(placed('Text', 0)).toContain('[1]');
  });

  it('joins marks at one place, each number once', () => {
    expect(
      groupMarks([
        { number: 2, at_utf16: 9 },
        { number: 1, at_utf16: 4 },
        { number: 3, at_utf16: 4 },
        { number: 1, at_utf16: 4 },
      ]),
    ).toEqual([
      { at: 4, numbers: [1, 3] },
      { at: 9, numbers: [2] },
    ]);
  });

  it('loses no mark, wherever it stands', () => {
    const source = '# T\n\nA *b* `c` [d](http://e.f)\n\n> q\n> r\n\n1. x\n2. y\n\n```\nz\n```\n\nend';
    for (let at = 0; at <= source.length; at += 1) expect(placed(source, at)).toContain('[1]');
  });
});

describe('valueIndex', () => {
  it('skips prefixes that the parser strips', () => {
    expect(valueIndex('q\nr', 'q\n> r')).toBe(3);
  });
});

describe('splitPieces', () => {
  const source = 'Intro.\n\n- a\n\n- b\n\n  more\n\nNext.\n\n```\nx\n\ny\n```\n\nEnd';

  it('keeps lists and code whole', () => {
    const texts = splitPieces(source).map((piece) => piece.text.trim());
    expect(texts).toEqual(['Intro.', '- a\n\n- b\n\n  more', 'Next.', '```\nx\n\ny\n```', 'End']);
  });

  it('gives back the text, at the right offsets, for every prefix', () => {
    for (let end = 0; end <= source.length; end += 1) {
      const text = source.slice(0, end);
      const pieces = splitPieces(text);
      expect(pieces.map((piece) => piece.text).join('')).toBe(text);
      for (const piece of pieces) expect(text.startsWith(piece.text, piece.start)).toBe(true);
    }
  });

  it('does not cut a text with link definitions', () => {
    expect(splitPieces('See [a].\n\nMore.\n\n[a]: http://b.c')).toHaveLength(1);
  });
});
