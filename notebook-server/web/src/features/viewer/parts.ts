import { createContext, useContext } from 'react';

/** Says what a numbered part of the source that is read is called: a page, or a time. Null where nothing is. */
export type PartLabel = ((part: number) => string) | null;

export const PartLabelContext = createContext<PartLabel>(null);
export const usePartLabel = (): PartLabel => useContext(PartLabelContext);
