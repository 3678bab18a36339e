import { Check, LoaderCircle, X } from 'lucide-react';
import { useText } from '@/i18n';
import { useResearchText } from '@/i18n/research';
import { cx } from '@/lib/cx';
import type { AnswerView } from './answer-view';
import { stepDetail, stepFailure, stepLabel } from './steps';

/** A query or arguments, cut to a few lines; whole under the pointer. */
const Detail = ({ what }: { what: string | null }) =>
  what !== null && (
    <code className="line-clamp-3 pt-0.5 font-mono text-xs break-all text-faint" dir="ltr" title={what}>
      {what}
    </code>
  );

/** What a research did so far: open while it works, folded up behind its answer. */
export function ResearchSteps({ view, busy }: { view: AnswerView; busy: boolean }) {
  const text = useResearchText();
  const { passages } = useText();
  if (view.steps.length === 0) return null;
  const open = busy && view.text === '';
  const list = (
    <ol className="grid gap-1.5 border-s-2 border-line ps-4 text-[13px] text-soft" data-testid="steps">
      {view.steps.map((step) => (
        <li key={step.call} className="flex items-start gap-2" data-state={step.state}>
          {step.state === 'running' ? (
            <LoaderCircle size={14} className={cx('mt-0.5 shrink-0', open && 'animate-spin')} aria-hidden />
          ) : step.state === 'done' ? (
            <Check size={14} className="mt-0.5 shrink-0 text-ok" aria-hidden />
          ) : (
            <X size={14} className="mt-0.5 shrink-0 text-danger" aria-hidden />
          )}
          <span className="min-w-0 break-words">
            {stepLabel(step, text)}
            {step.passages > 0 && <span className="text-faint"> · {passages(step.passages)}</span>}
            {step.failure !== null && (
              <span className="text-faint"> · {stepFailure(step.failure, text)}</span>
            )}
            <Detail what={stepDetail(step)} />
          </span>
        </li>
      ))}
    </ol>
  );
  if (open) return <div className="pb-3">{list}</div>;
  return (
    <details className="pb-3">
      <summary className="cursor-pointer pb-1.5 text-xs text-faint hover:text-ink">
        {text.stepsDone(view.steps.length)}
      </summary>
      {list}
    </details>
  );
}
