import { MessageCircleQuestionMark } from 'lucide-react';
import type { Source } from '@/api/types';
import { useText } from '@/i18n';

/** What an empty conversation says: what to do next, and what will happen. */
export function Welcome({ sources }: { sources: Source[] }) {
  const text = useText();
  const ready = sources.some((source) => source.keywords_ready);
  const hint = sources.length === 0 ? text.askNoSources : ready ? text.askHint : text.askIndexing;
  return (
    <div className="grid min-h-0 flex-1 place-items-center overflow-y-auto px-6">
      <div className="max-w-md py-8 text-center">
        <MessageCircleQuestionMark size={32} strokeWidth={1.4} className="mx-auto text-accent" aria-hidden />
        <h2 className="pt-4 font-serif text-3xl font-semibold tracking-tight">{text.askTitle}</h2>
        <p className="pt-2.5 text-[15px] leading-relaxed text-pretty text-soft">{hint}</p>
      </div>
    </div>
  );
}
