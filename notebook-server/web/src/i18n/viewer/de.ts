import type { ViewerDictionary } from './en';

export const de: ViewerDictionary = {
  shownAs: 'Wie die Quelle gezeigt wird',
  picture: 'Bild',
  text: 'Text',
  pictureOf: (name) => `Bild ${name}`,
  pictureMarked: (name) => `Bild ${name}, die zitierten Wörter sind markiert`,
  larger: 'Größer',
  smaller: 'Kleiner',
  unplaced:
    'Wo die zitierten Wörter in diesem Bild stehen, ist nicht bekannt. Füge es neu hinzu, damit sie markiert werden.',
  failed: 'Das Bild konnte nicht gezeigt werden. Sein Text lässt sich trotzdem lesen.',
};
