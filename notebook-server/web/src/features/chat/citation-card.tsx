import { useLayoutEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { isShownAsPicture } from '@/features/viewer/picture';
import { useText } from '@/i18n';
import { useStore } from '@/state/store';
import { CitationPicture } from './citation-picture';
import { hovered, useCitationHost } from './citation-context';

const GAP = 8;
const EDGE = 12;

/** The quote behind the mark under the pointer or the focus. */
export function CitationCard() {
  const text = useText();
  const host = useCitationHost();
  const now = useStore(hovered);
  const ref = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ left: 0, top: 0 });
  useLayoutEffect(() => {
    const card = ref.current;
    if (!now || !card) return;
    const mark = now.anchor.getBoundingClientRect();
    const box = card.getBoundingClientRect();
    const above = mark.top - box.height - GAP;
    setPlace({
      left: Math.max(
        EDGE,
        Math.min(mark.left + mark.width / 2 - box.width / 2, window.innerWidth - box.width - EDGE),
      ),
      top: above >= EDGE ? above : mark.bottom + GAP,
    });
    const hide = (): void => hovered.set(null);
    window.addEventListener('scroll', hide, { capture: true, once: true });
    return () => window.removeEventListener('scroll', hide, { capture: true });
  }, [now]);
  if (!now) return null;
  const { citation } = now;
  const part = host.partOf(citation);
  return createPortal(
    <div
      ref={ref}
      id="citation-quote"
      role="tooltip"
      data-testid="citation-card"
      className="pointer-events-none fixed z-50 w-96 max-w-[calc(100vw-1.5rem)] animate-rise rounded-2xl border border-line bg-raised p-4 shadow-float"
      style={place}
    >
      <p className="flex items-baseline gap-2 pb-2 text-xs text-faint">
        <span className="min-w-0 flex-1 truncate font-medium text-soft">
          {host.sourceName(citation.source)}
        </span>
        {part !== null && (
          <span className="shrink-0" data-testid="citation-part">
            {part}
          </span>
        )}
      </p>
      {isShownAsPicture(host.kindOf(citation.source)) && <CitationPicture citation={citation} />}
      <blockquote className="line-clamp-8 font-serif text-[15px] leading-normal" data-testid="citation-quote">
        {citation.quote}
      </blockquote>
      <p className="pt-2.5 text-xs text-faint">{text.openQuote}</p>
    </div>,
    document.body,
  );
}
