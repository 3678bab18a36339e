import { Info, RefreshCw, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { useText } from '@/i18n';
import { useAnswerText } from '@/i18n/answer';
import { Button } from '@/ui/button';
import type { AnswerView } from './answer-view';
import { failureSentence } from './failure';

const Note = ({ children }: { children: ReactNode }) => (
  <p className="mt-3 flex items-start gap-2 text-[13px] text-soft">
    <Info size={15} className="mt-0.5 shrink-0 text-faint" aria-hidden />
    <span>{children}</span>
  </p>
);

/** What a reader should know about an answer besides its text. */
export function AnswerNotes({ view, onRetry }: { view: AnswerView; onRetry: (() => void) | undefined }) {
  const text = useText();
  const own = useAnswerText();
  const toldOfSearch = view.warnings.some(({ code }) => code === 'retrieval_partial');
  return (
    <>
      {view.warnings.map((warning, index) => (
        <p
          key={index}
          className="mt-3 flex items-start gap-2.5 rounded-xl bg-warn-wash px-4 py-2.5 text-[13px]"
          data-testid="warning"
        >
          <TriangleAlert size={15} className="mt-0.5 shrink-0 text-warn" aria-hidden />
          {own.warnings[warning.code] ?? warning.message}
        </p>
      ))}
      {view.partialRetrieval && !toldOfSearch && <Note>{text.searchPartial}</Note>}
      {view.dropped > 0 && <Note>{text.droppedCitations(view.dropped)}</Note>}
      {view.phase === 'stopped' && <Note>{text.stoppedNote}</Note>}
      {view.phase === 'partial' && <Note>{text.partialNote}</Note>}
      {view.phase === 'abandoned' && <Note>{text.abandonedNote}</Note>}
      {view.phase === 'failed' && (
        <div
          role="alert"
          className="mt-3 flex flex-wrap items-start gap-3 rounded-xl bg-danger-wash px-4 py-3 text-sm"
          data-testid="run-failure"
        >
          <TriangleAlert size={17} className="mt-0.5 shrink-0 text-danger" aria-hidden />
          <div className="min-w-0 flex-1 basis-64">
            <p className="font-medium">{text.answerFailed}</p>
            <p className="pt-0.5">
              {view.failure && failureSentence(view.failure, view.model, own)}
              {view.text !== '' && ` ${own.kept}`}
            </p>
            {view.failure && (
              <details className="pt-1.5 text-xs text-soft">
                <summary className="w-fit cursor-pointer hover:text-ink">{own.failureDetails}</summary>
                <p className="pt-1 font-mono break-all" dir="ltr">
                  {view.failure.code} · {view.failure.detail ?? view.failure.message}
                  {view.failure.requestId && ` · ${text.requestId(view.failure.requestId)}`}
                </p>
              </details>
            )}
          </div>
          {view.failure?.retryable && onRetry && (
            <Button className="h-8" icon={<RefreshCw size={14} aria-hidden />} onClick={onRetry}>
              {text.retry}
            </Button>
          )}
        </div>
      )}
    </>
  );
}
