import { useQuery } from '@tanstack/react-query';
import { Highlighter, ListTree, X } from 'lucide-react';
import { useCallback, useMemo, useRef, useState } from 'react';
import { sources } from '@/api/endpoints';
import type { Source, Span } from '@/api/types';
import type { Reading } from '@/features/notebooks/place';
import { mediumOf, timeOf } from '@/features/sources/kinds';
import { useText } from '@/i18n';
import { useViewerText } from '@/i18n/viewer';
import { cx } from '@/lib/cx';
import { IconButton } from '@/ui/button';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { Menu } from '@/ui/menu';
import { PartLabelContext } from './parts';
import { isShownAsPicture } from './picture';
import { PictureView } from './picture-view';
import { SourceText } from './source-text';

interface ViewerPaneProps {
  reading: Reading;
  source: Source | null;
  onRead: (reading: Reading | null) => void;
}

/** The reader: a source's text, at the cited words when it was opened by a citation. */
export function ViewerPane({ reading, source, onRead }: ViewerPaneProps) {
  const text = useText();
  const scroller = useRef<HTMLDivElement>(null);
  const [page, setPage] = useState<number | null>(null);
  const [visit, setVisit] = useState(0);
  const [asText, setAsText] = useState(false);
  const outline = useQuery({
    queryKey: ['outline', reading.source, source?.text_bytes],
    queryFn: () => sources.outline(reading.source),
    staleTime: Infinity,
  });
  // One object for one place: the address is parsed anew on every change.
  const start = reading.span?.start;
  const end = reading.span?.end;
  const span = useMemo<Span | null>(
    () => (start === undefined || end === undefined ? null : { start, end }),
    [start, end],
  );
  const pages = outline.data?.pages.length ?? 0;
  const isRecording = mediumOf(source?.kind ?? '') === 'audio';
  const label = useCallback(
    (part: number) => (isRecording ? timeOf(part) : text.page(part)),
    [isRecording, text],
  );
  const headings = outline.data?.headings ?? [];
  const picture = source && isShownAsPicture(source.kind) && source.text_bytes > 0 ? source : null;
  return (
    <section aria-label={text.reader} className="flex h-full min-h-0 flex-col" data-testid="viewer">
      <header className="flex items-center gap-1 border-b border-line ps-5 pe-2.5 pt-2.5 pb-2">
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-serif text-base font-semibold" title={source?.name}>
            {source?.name ?? text.deletedSource}
          </h2>
          {pages > 0 && (
            <p className="h-4 text-xs text-faint tabular-nums">
              {page === null ? '' : isRecording ? text.atTime(timeOf(page)) : text.pageOf(page, pages)}
            </p>
          )}
        </div>
        {picture && <ShownAs asText={asText} onChoose={setAsText} />}
        {span && (
          <IconButton label={text.backToQuote} onClick={() => setVisit(visit + 1)}>
            <Highlighter size={17} aria-hidden />
          </IconButton>
        )}
        {headings.length > 0 && (
          <Menu
            label={text.contents}
            trigger={<ListTree size={17} aria-hidden />}
            items={headings.slice(0, 200).map((heading) => ({
              label: `${'\u2003'.repeat(Math.max(0, heading.level - 1))}${heading.text}`,
              onSelect: () =>
                onRead({ source: reading.source, span: { start: heading.start, end: heading.end } }),
            }))}
          />
        )}
        <IconButton label={text.closeReader} onClick={() => onRead(null)}>
          <X size={18} aria-hidden />
        </IconButton>
      </header>
      <div
        ref={scroller}
        tabIndex={0}
        role="document"
        className="min-h-0 flex-1 overflow-auto px-6 py-5 focus-visible:-outline-offset-2 lg:px-8"
      >
        {outline.isPending && <Spinner label={text.loading} />}
        {outline.error && <ErrorNote error={outline.error} onRetry={() => void outline.refetch()} />}
        {outline.data && outline.data.text_bytes === 0 && <p className="text-soft">{text.noText}</p>}
        {picture && !asText && <PictureView source={picture} span={span} scroller={scroller} visit={visit} />}
        {outline.data && outline.data.text_bytes > 0 && !(picture && !asText) && (
          <PartLabelContext value={label}>
            <SourceText
              key={reading.source}
              source={reading.source}
              outline={outline.data}
              span={span}
              scroller={scroller}
              visit={visit}
              onPage={setPage}
            />
          </PartLabelContext>
        )}
      </div>
    </section>
  );
}

/** The picture as it was taken, or the text that was recognised in it. */
function ShownAs({ asText, onChoose }: { asText: boolean; onChoose: (asText: boolean) => void }) {
  const own = useViewerText();
  return (
    <div role="group" aria-label={own.shownAs} className="flex shrink-0 rounded-lg bg-wash p-0.5 text-xs">
      {[false, true].map((each) => (
        <button
          key={String(each)}
          type="button"
          aria-pressed={asText === each}
          onClick={() => onChoose(each)}
          className={cx(
            'h-7 rounded-md px-2.5 max-md:h-9',
            asText === each ? 'bg-raised font-medium text-ink shadow-xs' : 'text-soft hover:text-ink',
          )}
        >
          {each ? own.text : own.picture}
        </button>
      ))}
    </div>
  );
}
