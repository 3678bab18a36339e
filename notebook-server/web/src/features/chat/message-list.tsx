import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown } from 'lucide-react';
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useText } from '@/i18n';
import { Spinner } from '@/ui/feedback';
import type { PathNode } from './tree';
import type { Thread, Turn } from './thread';

interface MessageListProps {
  thread: Thread;
  render: (node: PathNode<Turn>) => ReactNode;
  /** Shown below the last message. */
  tail: ReactNode;
}

const NEAR = 60;

/** The conversation, drawn only where it is looked at; it follows its end while the person is there. */
export function MessageList({ thread, render, tail }: MessageListProps) {
  const text = useText();
  const { path, more, hasMore } = thread;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const [away, setAway] = useState(false);
  const virtual = useVirtualizer({
    count: path.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (path[index]?.node.kind === 'live' ? 160 : index % 2 === 0 ? 90 : 320),
    getItemKey: (index) => path[index]?.node.id ?? index,
    overscan: 4,
  });

  const toEnd = useCallback(() => {
    const area = scroller.current;
    if (area) area.scrollTop = area.scrollHeight;
  }, []);

  // Whatever grows (a token, a measured row), the end stays in view while it is followed.
  useEffect(() => {
    const inner = content.current;
    if (!inner) return;
    const observer = new ResizeObserver(() => {
      if (following.current) toEnd();
    });
    observer.observe(inner);
    return () => observer.disconnect();
  }, [toEnd]);

  // Older messages come in above: what is being read stays where it is.
  const first = useRef<{ id: string | undefined; size: number }>({ id: undefined, size: 0 });
  const firstId = path[0]?.node.id;
  const total = virtual.getTotalSize();
  useLayoutEffect(() => {
    const before = first.current;
    const area = scroller.current;
    const kept =
      before.id !== undefined && firstId !== before.id && path.some(({ node }) => node.id === before.id);
    if (kept && area && !following.current) area.scrollTop += total - before.size;
    first.current = { id: firstId, size: total };
  }, [firstId, total, path]);

  const onScroll = (): void => {
    const area = scroller.current;
    if (!area) return;
    const distance = area.scrollHeight - area.scrollTop - area.clientHeight;
    following.current = distance < NEAR;
    setAway(distance > 400);
    if (area.scrollTop < 600) more();
  };

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={onScroll}
        onWheel={(event) => {
          if (event.deltaY < 0) following.current = false;
        }}
        className="h-full overflow-y-auto [overflow-anchor:none]"
        data-testid="messages"
      >
        <div ref={content} className="mx-auto w-full max-w-[46rem] px-5 pt-6 md:px-8">
          {hasMore && <Spinner label={text.earlier} className="justify-center pb-4" />}
          <div className="relative" style={{ height: total }}>
            {virtual.getVirtualItems().map((item) => {
              const node = path[item.index];
              return (
                <div
                  key={item.key}
                  ref={virtual.measureElement}
                  data-index={item.index}
                  className="absolute inset-x-0 top-0"
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  {node && render(node)}
                </div>
              );
            })}
          </div>
          {tail}
        </div>
      </div>
      {away && (
        <button
          type="button"
          onClick={() => {
            following.current = true;
            toEnd();
          }}
          className="absolute bottom-3 left-1/2 flex -translate-x-1/2 items-center gap-1.5 rounded-full border border-line bg-raised px-3.5 py-1.5 text-xs shadow-float hover:bg-wash"
        >
          <ArrowDown size={14} aria-hidden />
          {text.toLatest}
        </button>
      )}
    </div>
  );
}
