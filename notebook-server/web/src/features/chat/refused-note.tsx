import { useMutation } from '@tanstack/react-query';
import { ShieldAlert } from 'lucide-react';
import { useEffect, useId, useRef, useState } from 'react';
import { guardReports } from '@/api/endpoints';
import type { Problem } from '@/api/problem';
import { Link } from 'wouter';
import { useGuardText } from '@/i18n/guard';
import { useSession } from '@/state/session';
import { Button } from '@/ui/button';
import { ErrorNote } from '@/ui/feedback';

/** A question that the server's policy refused, and a way to say that it was wrong to. */
export function RefusedNote({ problem, question }: { problem: Problem; question: string }) {
  const text = useGuardText();
  const hasAccounts = useSession() !== null;
  const [keep, setKeep] = useState(false);
  const box = useId();
  const note = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Its result is not the effect's: browsers of late give a promise.
    void note.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  const done = useRef<HTMLParagraphElement>(null);
  const report = useMutation({
    mutationFn: () => guardReports.create({ question, labels: problem.labels, keep_question: keep }),
  });
  // The button that had the focus is gone. Once: later it belongs where somebody writes.
  useEffect(() => {
    if (report.isSuccess) done.current?.focus();
  }, [report.isSuccess]);
  return (
    <div
      ref={note}
      role="alert"
      className="flex items-start gap-3 rounded-xl bg-danger-wash px-4 py-3 text-sm"
    >
      <ShieldAlert size={17} className="mt-0.5 shrink-0 text-danger" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{text.title}</p>
        <p className="pt-0.5">
          {problem.labels.length > 0
            ? text.hint(problem.labels.map((label) => label.replaceAll('_', ' ')).join(', '))
            : problem.detail}
        </p>
        {report.isSuccess ? (
          <p role="status" tabIndex={-1} ref={done} className="mt-2 text-soft">
            {hasAccounts ? (
              text.reported
            ) : (
              <>
                {text.reportedHere}{' '}
                <Link href="/reports" className="underline underline-offset-2 hover:text-ink">
                  {text.seeReports}
                </Link>
              </>
            )}
          </p>
        ) : (
          <div className="mt-2 flex flex-wrap items-center gap-3">
            <Button className="h-8" disabled={report.isPending} onClick={() => report.mutate()}>
              {text.report}
            </Button>
            <label htmlFor={box} className="flex items-center gap-2 text-soft">
              <input
                id={box}
                type="checkbox"
                checked={keep}
                onChange={(event) => setKeep(event.target.checked)}
              />
              {hasAccounts ? text.keepQuestion : text.keepOwnQuestion}
            </label>
          </div>
        )}
        {report.error && <ErrorNote error={report.error} />}
      </div>
    </div>
  );
}
