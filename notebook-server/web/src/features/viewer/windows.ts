import type { Block, Outline, SourceText } from '@/api/types';
import { utf16At, utf8Length } from '@/lib/utf8';

/** Bytes of text asked for at a time; the server allows 65,536. */
export const WINDOW = 16_384;

export const windowCount = (bytes: number): number => Math.ceil(bytes / WINDOW);
export const windowOf = (offset: number): number => Math.floor(offset / WINDOW);

/** Blocks in a reply that begin in the window; the rest belongs to its neighbours. */
export function blocksOf(reply: SourceText, index: number): Block[] {
  const from = index * WINDOW;
  return reply.blocks.filter((block) => block.start >= from && block.start < from + WINDOW);
}

/** What is drawn together: one block, or the rows of a table, or the items of a list. */
export interface Group {
  kind: Block['kind'];
  blocks: Block[];
  /** Page that begins with or inside this group. */
  page: number | null;
}

export function groupBlocks(blocks: readonly Block[], pages: Outline['pages']): Group[] {
  const groups: Group[] = [];
  for (const block of blocks) {
    const page = pages.find(
      (each) => each.start >= block.start && each.start < block.end && each.end > each.start,
    );
    const last = groups.at(-1);
    const joins = block.kind === 'table_row' || block.kind === 'list_item';
    if (last && joins && last.kind === block.kind && !page) last.blocks.push(block);
    else groups.push({ kind: block.kind, blocks: [block], page: page?.number ?? null });
  }
  return groups;
}

/** The page at a byte, if the source has pages. */
export function pageAt(pages: Outline['pages'], offset: number): number | null {
  let low = 0;
  let high = pages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pages[middle]?.start ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return pages[low - 1]?.number ?? null;
}

export interface Slice {
  text: string;
  marked: boolean;
}

/** A block's text cut where the marked span begins and ends; spans are in bytes. */
export function sliceBlock(
  block: Pick<Block, 'start' | 'end' | 'text'>,
  span: { start: number; end: number } | null,
): Slice[] {
  if (!span || span.end <= block.start || span.start >= block.end)
    return [{ text: block.text, marked: false }];
  const from = span.start <= block.start ? 0 : utf16At(block.text, span.start - block.start);
  const to = span.end >= block.end ? block.text.length : utf16At(block.text, span.end - block.start);
  return [
    { text: block.text.slice(0, from), marked: false },
    { text: block.text.slice(from, to), marked: true },
    { text: block.text.slice(to), marked: false },
  ].filter((slice) => slice.text !== '');
}

/** Cells of a table row with their places in the text; the separator belongs to no cell. */
export function cellsOf(row: Block): Block[] {
  const cells: Block[] = [];
  let at = row.start;
  for (const text of row.text.split(' | ')) {
    const end = at + utf8Length(text);
    cells.push({ kind: 'table_row', start: at, end, text });
    at = end + 3;
  }
  return cells;
}
