import { useVirtualizer } from '@tanstack/react-virtual';
import { type RefObject, useEffect, useRef } from 'react';
import type { Id, Outline, Span } from '@/api/types';
import { TextWindow } from './text-window';
import { WINDOW, pageAt, windowCount, windowOf } from './windows';

/** Rough height of a full window of text, until it is measured. */
const ESTIMATE = 5_200;

interface SourceTextProps {
  source: Id;
  outline: Outline;
  span: Span | null;
  scroller: RefObject<HTMLDivElement | null>;
  /** Changes whenever the reader is asked to go to the span, even to the same one again. */
  visit: number;
  onPage: (page: number | null) => void;
}

/** A source's whole text: as long as it is, drawn only where it is looked at. */
export function SourceText({ source, outline, span, scroller, visit, onPage }: SourceTextProps) {
  const count = windowCount(outline.text_bytes);
  const height = (index: number): number =>
    Math.max(200, ESTIMATE * Math.min(1, (outline.text_bytes - index * WINDOW) / WINDOW));
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: height,
    overscan: 1,
    onChange: (instance) => {
      const offset = instance.scrollOffset ?? 0;
      const item = instance.getVirtualItems().findLast((each) => each.start <= offset + 40);
      if (!item) return;
      const share = Math.min(1, Math.max(0, (offset - item.start) / item.size));
      onPage(pageAt(outline.pages, (item.index + share) * WINDOW));
    },
  });

  const go = useRef(virtual.scrollToIndex);
  useEffect(() => {
    go.current = virtual.scrollToIndex;
  });
  useEffect(() => {
    if (!span) return;
    go.current(windowOf(span.start), { align: 'start' });
    // The words exist once their window is fetched and drawn: look for them frame by frame.
    let frame = 0;
    const deadline = performance.now() + 8_000;
    let settled = 0;
    const seek = (): void => {
      const mark = scroller.current?.querySelector('[data-testid=highlight]');
      if (mark) {
        mark.scrollIntoView({ block: 'center' });
        settled += 1;
      }
      // A few more frames: heights above are still being measured.
      if (settled < 8 && performance.now() < deadline) frame = requestAnimationFrame(seek);
    };
    frame = requestAnimationFrame(seek);
    return () => cancelAnimationFrame(frame);
  }, [span, visit, scroller, source]);

  return (
    <div className="relative w-full" style={{ height: virtual.getTotalSize() }}>
      {virtual.getVirtualItems().map((item) => (
        <div
          key={item.key}
          ref={virtual.measureElement}
          data-index={item.index}
          className="absolute inset-x-0 top-0"
          style={{ transform: `translateY(${item.start}px)` }}
        >
          <TextWindow
            source={source}
            index={item.index}
            outline={outline}
            span={
              span && windowOf(span.start) <= item.index && windowOf(span.end) >= item.index - 1 ? span : null
            }
            height={height(item.index)}
          />
        </div>
      ))}
    </div>
  );
}
