import { json } from './client';
import { keeper } from './keeper';
import { Problem } from './problem';
import type { Id, Span } from './types';

/** A rectangle in a picture, in its pixels. */
export interface Area {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where words stand in a picture: turned as its file says, not scaled. */
export interface Regions {
  width: number;
  height: number;
  /** Quarters of a turn, clockwise, after which the text stands upright. */
  quarters: number;
  words: (Span & Area)[];
}

/** Where the words of a span stand; null where that is not known. */
export async function regionsOf(
  source: Id,
  { start, end }: Span,
  signal: AbortSignal,
): Promise<Regions | null> {
  try {
    return await json(`/api/sources/${source}/regions?start=${start}&end=${end}`, { signal });
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

/** The address of a source's picture. The session is renewed first where its time has come: the browser asks by itself. */
export async function picturePath(source: Id): Promise<string> {
  const session = keeper();
  if (session && !session.isFresh()) await session.fresh();
  return `/api/sources/${source}/picture`;
}
