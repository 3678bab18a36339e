import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ShieldQuestion, TriangleAlert } from 'lucide-react';
import { approvals } from '@/api/endpoints';
import type { Approval } from '@/api/approvals';
import type { Id } from '@/api/types';
import { useText } from '@/i18n';
import { useResearchText } from '@/i18n/research';
import { formatTime } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { useMay } from '@/state/session';
import { Button } from '@/ui/button';
import { ErrorNote, Spinner } from '@/ui/feedback';

/** What a research asks for: the tool, its exact arguments, why, and the two answers. */
export function ApprovalCard({ id }: { id: Id }) {
  const text = useText();
  const asked = useQuery({ queryKey: ['approval', id], queryFn: () => approvals.get(id) });
  if (asked.error) return <ErrorNote error={asked.error} onRetry={() => void asked.refetch()} />;
  if (!asked.data) return <Spinner label={text.loading} />;
  return <Card approval={asked.data} onOutdated={() => void asked.refetch()} />;
}

function Card({ approval, onOutdated }: { approval: Approval; onOutdated: () => void }) {
  const text = useResearchText();
  const locale = useLanguage();
  const mayDecide = useMay('notebook.write');
  const client = useQueryClient();
  const answer = useMutation({
    mutationFn: (verdict: 'approve' | 'refuse') =>
      approvals.decide(approval.id, { verdict, digest: approval.digest }),
    onSuccess: (decided) => {
      client.setQueryData(['approval', approval.id], decided);
      // The buttons go, and the focus would go with them to nowhere.
      document.getElementById('question')?.focus();
    },
    // Somebody else was quicker, or its time is over: show what it is now.
    onError: onOutdated,
  });
  const open = approval.state === 'pending';
  return (
    <section
      aria-label={text.approvalTitle}
      className="my-3 rounded-2xl border border-line-strong bg-raised px-5 py-4 text-sm"
      data-testid="approval"
      data-state={approval.state}
    >
      <h4 className="flex items-center gap-2 font-medium">
        <ShieldQuestion size={17} className="text-accent" aria-hidden />
        {text.approvalTitle}
      </h4>
      <p className="pt-1.5">
        <code className="rounded bg-wash px-1.5 py-0.5 font-mono text-[13px]">{approval.tool}</code>
      </p>
      <p className="pt-2 text-soft">
        {approval.reason.split('`').map((part, index) =>
          index % 2 === 1 ? (
            <code key={index} className="font-mono text-[13px] text-ink">
              {part}
            </code>
          ) : (
            part
          ),
        )}
      </p>
      <p className="pt-3 text-xs text-faint">{text.approvalArguments(approval.characters)}</p>
      <pre
        className="mt-1 max-h-72 overflow-auto rounded-lg bg-wash px-3 py-2 font-mono text-xs break-all whitespace-pre-wrap"
        tabIndex={0}
        dir="ltr"
        data-testid="approval-arguments"
      >
        {approval.shown}
      </pre>
      {approval.hidden && (
        <p className="mt-2 flex items-start gap-2 rounded-lg bg-warn-wash px-3 py-2 text-[13px]" role="note">
          <TriangleAlert size={15} className="mt-0.5 shrink-0 text-warn" aria-hidden />
          {text.approvalHidden}
        </p>
      )}
      {open && mayDecide && (
        <div className="flex flex-wrap items-center gap-2 pt-3">
          <Button look="primary" disabled={answer.isPending} onClick={() => answer.mutate('approve')}>
            {text.approve}
          </Button>
          <Button disabled={answer.isPending} onClick={() => answer.mutate('refuse')}>
            {text.deny}
          </Button>
          <span className="ps-1 text-xs text-faint">
            {text.approvalUntil(formatTime(approval.expires_at, locale))}
          </span>
        </div>
      )}
      {open && !mayDecide && <p className="pt-3 text-xs text-faint">{text.approvalNotYours}</p>}
      {!open && (
        <p role="status" className="pt-3 text-soft">
          {text.approvalStates[approval.state]}
        </p>
      )}
      {answer.error && <ErrorNote error={answer.error} />}
    </section>
  );
}
