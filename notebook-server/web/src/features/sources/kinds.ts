/** What kinds of files there are, as far as the page has to tell them apart. */

export type Medium = 'text' | 'image' | 'audio';

const images = ['png', 'jpg', 'jpeg', 'jpe', 'jfif', 'webp', 'tif', 'tiff', 'bmp', 'dib', 'gif'];
const recordings = ['wav', 'wave', 'mp3', 'flac', 'ogg', 'oga', 'opus', 'm4a', 'm4b'];
const documents =
  'pdf docx docm dotx pptx pptm ppsx potx xlsx xlsm xltx csv tsv tab epub html htm xhtml md markdown txt text log rst org adoc srt vtt'.split(
    ' ',
  );

/** For a file picker: what is usually added first. Others may be chosen all the same. */
export const accepted = [
  ...[...documents, ...images, ...recordings].map((ending) => `.${ending}`),
  'text/*',
  'application/json',
].join(',');

/** The medium of a kind of source, or of a file's ending. */
export function mediumOf(kind: string): Medium {
  if (images.includes(kind)) return 'image';
  return recordings.includes(kind) ? 'audio' : 'text';
}

interface Limits {
  document_bytes: number;
  image_bytes: number;
  audio_bytes: number;
}

const usual: Limits = { document_bytes: 100_000_000, image_bytes: 10_000_000, audio_bytes: 25_000_000 };

/** How many bytes a file may have; a document without one. The server looks at the content and has the last word. */
export function limitOf(file: File | null, limits: Limits | undefined): number {
  const { document_bytes, image_bytes, audio_bytes } = limits ?? usual;
  const medium = mediumOf(file?.name.split('.').at(-1)?.toLowerCase() ?? '');
  return { text: document_bytes, image: image_bytes, audio: audio_bytes }[medium];
}

/** A numbered part of a source for a person: a page, or of a recording, whose parts are seconds from 1, a time. */
export function timeOf(part: number): string {
  const all = Math.max(0, part - 1);
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
