import { ZoomIn, ZoomOut } from 'lucide-react';
import { type RefObject, useEffect, useState } from 'react';
import type { Source, Span } from '@/api/types';
import { useText } from '@/i18n';
import { useViewerText } from '@/i18n/viewer';
import { IconButton } from '@/ui/button';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { Picture, usePicturePath, useRegions } from './picture';

/** How many times the width of the pane. */
const sizes = [1, 1.5, 2, 3, 4];

interface PictureViewProps {
  source: Source;
  span: Span | null;
  scroller: RefObject<HTMLDivElement | null>;
  /** Changes whenever the reader is asked to go to the span. */
  visit: number;
}

/** A source's picture with the cited words marked, to be made larger and smaller. */
export function PictureView({ source, span, scroller, visit }: PictureViewProps) {
  const text = useText();
  const own = useViewerText();
  const [at, setAt] = useState(0);
  const [failed, setFailed] = useState(false);
  const regions = useRegions(source.id, span);
  const path = usePicturePath(source.id);
  const size = sizes[at] ?? 1;
  const marked = regions.data ? regions.data.words.length > 0 : false;
  useEffect(() => {
    if (!marked) return;
    scroller.current
      ?.querySelector('[data-testid=picture-mark]')
      ?.scrollIntoView({ block: 'center', inline: 'center' });
  }, [marked, span, visit, size, scroller]);

  const error = regions.error ?? path.error;
  if (error) return <ErrorNote error={error} onRetry={() => void (regions.refetch(), path.refetch())} />;
  if (regions.data === undefined || path.data === undefined) return <Spinner label={text.loading} />;
  const label = marked ? own.pictureMarked(source.name) : own.pictureOf(source.name);
  return (
    <figure data-testid="picture">
      <div className="sticky start-0 top-0 z-10 flex h-0 justify-end">
        <div className="flex h-fit rounded-lg border border-line bg-raised shadow-xs">
          <IconButton label={own.smaller} disabled={at === 0} onClick={() => setAt(at - 1)}>
            <ZoomOut size={17} aria-hidden />
          </IconButton>
          <IconButton label={own.larger} disabled={at === sizes.length - 1} onClick={() => setAt(at + 1)}>
            <ZoomIn size={17} aria-hidden />
          </IconButton>
        </div>
      </div>
      {failed && (
        <p role="alert" className="text-soft">
          {own.failed}
        </p>
      )}
      {regions.data === null && span && (
        <p className="sticky start-0 pe-20 pb-3 text-[13px] text-soft">{own.unplaced}</p>
      )}
      <div style={{ width: `${size * 100}%` }} hidden={failed}>
        {regions.data ? (
          <Picture
            path={path.data}
            regions={regions.data}
            label={label}
            className="block w-full rounded-md"
            onError={() => setFailed(true)}
          />
        ) : (
          <img
            src={path.data}
            alt={label}
            className="block w-full rounded-md"
            onError={() => setFailed(true)}
          />
        )}
      </div>
    </figure>
  );
}
