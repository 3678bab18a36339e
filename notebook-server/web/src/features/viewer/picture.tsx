import { useQuery } from '@tanstack/react-query';
import { type Area, type Regions, picturePath, regionsOf } from '@/api/pictures';
import type { Id, Span } from '@/api/types';
import { padded, uprightArea, uprightSize, uprightTurn } from './geometry';

/** The kinds of pictures that browsers show, as the server gives them. */
const shown = ['png', 'jpeg', 'webp', 'gif', 'bmp'];

export const isShownAsPicture = (kind: string): boolean => shown.includes(kind);

const NOTHING: Span = { start: 0, end: 0 };

/** Where the words of a span stand in a source's picture: null where that is not known, undefined until it is. */
export function useRegions(source: Id, span: Span | null) {
  const { start, end } = span ?? NOTHING;
  return useQuery({
    queryKey: ['regions', source, start, end],
    queryFn: ({ signal }) => regionsOf(source, { start, end }, signal),
    staleTime: Infinity,
  });
}

export const usePicturePath = (source: Id) =>
  useQuery({ queryKey: ['picture', source], queryFn: () => picturePath(source), staleTime: 60_000 });

interface PictureProps {
  path: string;
  regions: Regions;
  label: string;
  /** Only this part of it, in the turned picture; all of it when absent. */
  crop?: Area;
  className?: string;
  onError?: () => void;
}

/** A picture, turned so that its text stands upright, with words marked: at whatever size, marks stay on their words. */
export function Picture({ path, regions, label, crop, className, onError }: PictureProps) {
  const size = uprightSize(regions);
  const { left, top, width, height } = crop ?? { left: 0, top: 0, ...size };
  return (
    <svg role="img" aria-label={label} viewBox={`${left} ${top} ${width} ${height}`} className={className}>
      <g transform={uprightTurn(regions)}>
        <image href={path} width={regions.width} height={regions.height} onError={onError} />
      </g>
      {regions.words.map((word) => {
        const area = padded(uprightArea(word, regions));
        return (
          <rect
            key={word.start}
            data-testid="picture-mark"
            x={area.left}
            y={area.top}
            width={area.width}
            height={area.height}
            rx={area.height * 0.15}
            className="picture-mark"
          />
        );
      })}
    </svg>
  );
}
