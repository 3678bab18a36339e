import type { Citation } from '@/api/types';
import { cropAround, uprightArea, uprightSize } from '@/features/viewer/geometry';
import { Picture, usePicturePath, useRegions } from '@/features/viewer/picture';
import { useViewerText } from '@/i18n/viewer';
import { useCitationHost } from './citation-context';

/** The part of the picture in which the cited words stand. */
export function CitationPicture({ citation }: { citation: Citation }) {
  const text = useViewerText();
  const host = useCitationHost();
  const { data: regions, error } = useRegions(citation.source, citation.span);
  const path = usePicturePath(citation.source).data;
  if (regions === null || error) return null;
  // Its place is kept, so that the card does not grow under the pointer.
  return (
    <div className="mb-2.5 grid h-28 place-items-center overflow-hidden rounded-lg bg-wash">
      {regions && path && (
        <Picture
          path={path}
          regions={regions}
          label={text.pictureMarked(host.sourceName(citation.source))}
          crop={cropAround(
            regions.words.map((word) => uprightArea(word, regions)),
            uprightSize(regions),
          )}
          className="h-28 w-full"
        />
      )}
    </div>
  );
}
