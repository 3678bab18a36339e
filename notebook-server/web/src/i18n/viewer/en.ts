/** The texts around pictures in the reader. */
export const en = {
  shownAs: 'How the source is shown',
  picture: 'Picture',
  text: 'Text',
  pictureOf: (name: string) => `Picture ${name}`,
  pictureMarked: (name: string) => `Picture ${name}, the cited words are marked`,
  larger: 'Larger',
  smaller: 'Smaller',
  unplaced: 'Where the cited words stand in this picture is not known. Add it again to have them marked.',
  failed: 'The picture could not be shown. Its text can be read all the same.',
} as const;

type Loose<T> = T extends (...args: infer A) => string ? (...args: A) => string : string;
export type ViewerDictionary = { [K in keyof typeof en]: Loose<(typeof en)[K]> };
