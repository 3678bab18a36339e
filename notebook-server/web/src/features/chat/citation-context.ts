import { createContext, useContext } from 'react';
import type { Citation, Id } from '@/api/types';
import { createStore } from '@/state/store';

/** What citations need of the page around them. */
export interface CitationHost {
  sourceName: (id: Id) => string;
  /** What kind of file it is; empty for one that is gone. */
  kindOf: (id: Id) => string;
  /** Where in the source the words stand: a page, a time; null without such parts. */
  partOf: (citation: Citation) => string | null;
  open: (citation: Citation) => void;
  /** The address of the cited words, for a new tab. */
  href: (citation: Citation) => string;
}

export const CitationHostContext = createContext<CitationHost>({
  sourceName: () => '',
  kindOf: () => '',
  partOf: () => null,
  open: () => undefined,
  href: () => '',
});
export const useCitationHost = (): CitationHost => useContext(CitationHostContext);

export interface Hovered {
  citation: Citation;
  anchor: HTMLElement;
}

/** The citation whose quote is shown: one at a time on the whole page. */
export const hovered = createStore<Hovered | null>(null);
