import { useQuery } from '@tanstack/react-query';
import { memo, useMemo } from 'react';
import { sources } from '@/api/endpoints';
import type { Id, Outline, Span } from '@/api/types';
import { ErrorNote } from '@/ui/feedback';
import { GroupView } from './block-view';
import { WINDOW, blocksOf, groupBlocks } from './windows';

interface TextWindowProps {
  source: Id;
  index: number;
  outline: Outline;
  /** The marked span, when it touches this window; null else, so that others need not draw again. */
  span: Span | null;
  height: number;
}

/** One range of a source's text, fetched when it comes near. */
export const TextWindow = memo(function TextWindow({
  source,
  index,
  outline,
  span,
  height,
}: TextWindowProps) {
  const start = index * WINDOW;
  const query = useQuery({
    queryKey: ['text', source, index],
    queryFn: ({ signal }) =>
      sources.text(source, start, Math.min(start + WINDOW, outline.text_bytes), signal),
    staleTime: Infinity,
  });
  const groups = useMemo(
    () => (query.data ? groupBlocks(blocksOf(query.data, index), outline.pages) : []),
    [query.data, index, outline.pages],
  );
  if (query.error) return <ErrorNote error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <div style={{ height }} aria-busy="true" />;
  return (
    <div className="prose pb-[0.75em]" data-window={index}>
      {groups.map((group) => (
        <GroupView key={group.blocks[0]?.start} group={group} span={span} />
      ))}
    </div>
  );
});
