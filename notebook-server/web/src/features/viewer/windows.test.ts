import { describe, expect, it } from 'vitest';
import { utf8Length } from '@/lib/utf8';
import { WINDOW, blocksOf, cellsOf, groupBlocks, pageAt, sliceBlock } from './windows';
import type { Block } from '@/api/types';

const block = (start: number, text: string, kind: Block['kind'] = 'paragraph'): Block => ({
  kind,
  start,
  end: start + utf8Length(text),
  text,
});
const marked = (each: Block, start: number, end: number): string =>
  sliceBlock(each, { start, end })
    .filter((slice) => slice.marked)
    .map((slice) => slice.text)
    .join('');

describe('sliceBlock', () => {
  const text = 'Größe 👋 und mehr';
  const each = block(100, text);
  const at = (part: string): number => 100 + utf8Length(text.slice(0, text.indexOf(part)));

  it('marks exactly the words of a byte span', () => {
    for (const part of ['Größe', '👋', 'und mehr', text]) {
      expect(marked(each, at(part), at(part) + utf8Length(part))).toBe(part);
    }
  });

  it('marks what a longer span has of the block, and nothing of a span beside it', () => {
    expect(marked(each, 0, 900)).toBe(text);
    expect(marked(each, 0, 100)).toBe('');
    expect(marked(each, each.end, 900)).toBe('');
  });

  it('never loses text', () => {
    for (let start = 95; start < each.end + 3; start += 1) {
      const slices = sliceBlock(each, { start, end: start + 5 });
      expect(slices.map((slice) => slice.text).join('')).toBe(text);
    }
  });
});

describe('windows', () => {
  it('give each block to exactly one window', () => {
    const blocks = [block(0, 'a'), block(WINDOW - 3, 'crossing'), block(WINDOW + 20, 'b')];
    const reply = { start: 0, end: 2 * WINDOW, text: '', blocks };
    expect(blocksOf(reply, 0)).toHaveLength(2);
    expect(blocksOf(reply, 1)).toHaveLength(1);
  });

  it('join rows and items, and break them at a page', () => {
    const rows = [
      block(0, 'a | b', 'table_row'),
      block(6, 'c | d', 'table_row'),
      block(12, 'e', 'table_row'),
    ];
    expect(groupBlocks(rows, [])).toHaveLength(1);
    const pages = [
      { number: 1, start: 0, end: 12 },
      { number: 2, start: 12, end: 13 },
    ];
    expect(groupBlocks(rows, pages).map((group) => group.page)).toEqual([1, 2]);
  });

  it('find the page of an offset', () => {
    const pages = [
      { number: 1, start: 0, end: 10 },
      { number: 2, start: 10, end: 20 },
    ];
    expect([0, 9, 10, 99].map((offset) => pageAt(pages, offset))).toEqual([1, 1, 2, 2]);
    expect(pageAt([], 5)).toBeNull();
  });

  it('keep the places of cells', () => {
    expect(cellsOf(block(50, 'ä | b', 'table_row')).map(({ start, end }) => [start, end])).toEqual([
      [50, 52],
      [55, 56],
    ]);
  });
});
