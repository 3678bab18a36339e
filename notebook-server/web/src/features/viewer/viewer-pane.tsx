import { useQuery } from '@tanstack/react-query';
import { Highlighter, ListTree, X } from 'lucide-react';
import { useCallback, useMemo, useRef, useState } from 'react';
import { sources } from '@/api/endpoints';
import type { Source, Span } from '@/api/types';
import type { Reading } from '@/features/notebooks/place';
import { mediumOf, timeOf } from '@/features/sources/kinds';
import { useText } from '@/i18n';
import { IconButton } from '@/ui/button';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { Menu } from '@/ui/menu';
import { PartLabelContext } from './parts';
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
        className="min-h-0 flex-1 overflow-y-auto px-6 py-5 focus-visible:-outline-offset-2 lg:px-8"
      >
        {outline.isPending && <Spinner label={text.loading} />}
        {outline.error && <ErrorNote error={outline.error} onRetry={() => void outline.refetch()} />}
        {outline.data && outline.data.text_bytes === 0 && <p className="text-soft">{text.noText}</p>}
        {outline.data && outline.data.text_bytes > 0 && (
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
