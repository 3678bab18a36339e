import { ArrowUp, Square, Telescope } from 'lucide-react';
import { type KeyboardEvent, useLayoutEffect, useRef, useState } from 'react';
import { useStatus } from '@/features/status/chips';
import { useText } from '@/i18n';
import { useResearchText } from '@/i18n/research';
import { formatBytes } from '@/lib/format';
import { utf8Length } from '@/lib/utf8';
import { cx } from '@/lib/cx';
import { research, useLanguage, useResearch } from '@/state/preferences';

interface ComposerProps {
  busy: boolean;
  /** A question being sent: the box is kept until the server has it. */
  sending: boolean;
  onAsk: (question: string) => void;
  onStop: () => void;
}

const LIMIT = 32_768;

export function Composer({ busy, sending, onAsk, onStop }: ComposerProps) {
  const text = useText();
  const locale = useLanguage();
  const own = useResearchText();
  const researching = useResearch();
  const limit = useStatus().data?.limits.question_bytes ?? LIMIT;
  const [question, setQuestion] = useState('');
  const box = useRef<HTMLTextAreaElement>(null);
  const size = utf8Length(question);
  const tooLong = size > limit;
  const ready = !busy && !sending && !tooLong && question.trim() !== '';

  useLayoutEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = 'auto';
    area.style.height = `${Math.min(area.scrollHeight, 220)}px`;
  }, [question]);

  const ask = (): void => {
    if (!ready) return;
    onAsk(question.trim());
    setQuestion('');
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    ask();
  };
  return (
    <form
      className="mx-auto w-full max-w-[46rem] px-4 pb-4 md:px-6"
      onSubmit={(event) => {
        event.preventDefault();
        ask();
      }}
    >
      <div className="flex items-end gap-2 rounded-[1.4rem] border border-line-strong bg-raised p-1.5 ps-4 shadow-xs transition-shadow focus-within:border-accent focus-within:shadow-float">
        <textarea
          id="question"
          ref={box}
          rows={1}
          value={question}
          aria-label={text.askLabel}
          aria-invalid={tooLong}
          aria-describedby="question-note"
          placeholder={text.askPlaceholder}
          onChange={(event) => setQuestion(event.target.value)}
          onKeyDown={onKeyDown}
          className="max-h-56 min-h-9 flex-1 resize-none self-center bg-transparent py-1.5 text-[15px] leading-6 outline-none"
        />
        <button
          type="button"
          aria-pressed={researching}
          title={own.researchHint}
          onClick={() => research.set(!researching)}
          className={cx(
            'flex h-9 shrink-0 items-center gap-1.5 rounded-full px-3 text-[13px] transition-colors focus-visible:rounded-full max-md:h-10',
            researching ? 'bg-accent-wash text-accent' : 'text-faint hover:bg-wash hover:text-ink',
          )}
        >
          <Telescope size={16} aria-hidden />
          <span className="max-sm:sr-only">{own.research}</span>
        </button>
        {busy ? (
          <button
            type="button"
            aria-label={text.stop}
            title={text.stop}
            onClick={() => {
              onStop();
              // This button goes when the answer has ended, and the focus with it.
              box.current?.focus();
            }}
            className="grid size-9 shrink-0 place-items-center rounded-full bg-ink text-paper transition-opacity hover:opacity-85 focus-visible:rounded-full max-md:size-10"
          >
            <Square size={13} fill="currentColor" aria-hidden />
          </button>
        ) : (
          <button
            type="submit"
            aria-label={text.send}
            title={text.send}
            disabled={!ready}
            className="grid size-9 shrink-0 place-items-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-hover focus-visible:rounded-full disabled:bg-wash disabled:text-faint max-md:size-10"
          >
            <ArrowUp size={18} strokeWidth={2.4} aria-hidden />
          </button>
        )}
      </div>
      <p
        id="question-note"
        role={tooLong ? 'alert' : undefined}
        className={
          tooLong
            ? 'px-4 pt-1.5 text-xs text-danger'
            : 'px-4 pt-1.5 text-center text-xs text-faint max-md:hidden'
        }
      >
        {tooLong
          ? text.questionTooLong(formatBytes(size, locale), formatBytes(limit, locale))
          : text.composerHint}
      </p>
    </form>
  );
}
