const encoder = new TextEncoder();

export const utf8Length = (text: string): number => encoder.encode(text).length;

const width = (code: number): number => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);

/**
 * The UTF-16 index of the character at byte `offset` of the text's UTF-8 form; clamped
 * to the text. An offset inside a character gives that character's start.
 */
export function utf16At(text: string, offset: number): number {
  let bytes = 0;
  let index = 0;
  for (const character of text) {
    bytes += width(character.codePointAt(0) ?? 0);
    if (bytes > offset) return index;
    index += character.length;
  }
  return index;
}
