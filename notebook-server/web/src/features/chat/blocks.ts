/** A piece of an answer that can be drawn by itself. */
export interface Piece {
  start: number;
  text: string;
}

const fence = /^ {0,3}(`{3,}|~{3,})/;
const listOrIndent = /^(\s+\S|\s*(?:[-*+]|\d{1,9}[.)])(?:\s|$))/;

/**
 * Cuts Markdown at blank lines where the two sides cannot depend on each other, so that
 * while an answer grows only its last piece is parsed again. Lists and code stay whole;
 * a text with link definitions is not cut at all. The pieces together are the text.
 */
export function splitPieces(text: string): Piece[] {
  if (/^ {0,3}\[[^\]]+\]:/m.test(text)) return [{ start: 0, text }];
  const pieces: Piece[] = [];
  let start = 0;
  let offset = 0;
  let open: string | null = null;
  let blank = false;
  let list = false;
  for (const line of text.split('\n')) {
    const mark = fence.exec(line)?.[1] ?? null;
    if (open === null && blank && line.trim() !== '') {
      const nested = listOrIndent.test(line);
      if (!(list && nested)) {
        if (offset > start) pieces.push({ start, text: text.slice(start, offset) });
        start = offset;
        list = nested;
      }
    } else if (open === null && offset === start) {
      list = listOrIndent.test(line);
    }
    if (open === null && mark) open = mark;
    else if (open !== null && mark && mark.startsWith(open) && line.trim() === mark) open = null;
    blank = line.trim() === '';
    offset += line.length + 1;
  }
  if (start < text.length) pieces.push({ start, text: text.slice(start) });
  return pieces;
}
