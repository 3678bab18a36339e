import { useEffect, useRef } from 'react';
import type { Citation } from '@/api/types';
import { useText } from '@/i18n';
import { hovered, useCitationHost } from './citation-context';

/** A numbered mark: rest on it or focus it for the quote, press it for the source. */
export function CitationMark({ citation }: { citation: Citation }) {
  const text = useText();
  const host = useCitationHost();
  const ref = useRef<HTMLAnchorElement>(null);
  const show = (): void => {
    if (ref.current) hovered.set({ citation, anchor: ref.current });
  };
  const hide = (): void => hovered.set((now) => (now?.anchor === ref.current ? null : now));
  useEffect(() => {
    const anchor = ref.current;
    return () => hovered.set((now) => (now?.anchor === anchor ? null : now));
  }, []);
  return (
    <>
      {/* A word joiner: the mark stays on the line of the words it belongs to. */}
      {'\u2060'}
      <a
        ref={ref}
        href={host.href(citation)}
        data-testid="citation"
        aria-label={text.citationFrom(citation.number, host.sourceName(citation.source))}
        aria-describedby="citation-quote"
        onPointerEnter={(event) => event.pointerType === 'mouse' && show()}
        onPointerLeave={hide}
        onFocus={show}
        onBlur={hide}
        onKeyDown={(event) => event.key === 'Escape' && hide()}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          hide();
          host.open(citation);
        }}
        className="relative mx-[0.15em] rounded-full bg-mark px-[0.5em] py-[0.3em] align-[0.3em] font-sans text-[0.62em] leading-none font-semibold text-on-mark no-underline tabular-nums transition-colors before:absolute before:-inset-1.5 hover:bg-mark-strong focus-visible:rounded-full"
      >
        {citation.number}
      </a>
    </>
  );
}
