import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { ShieldCheck } from 'lucide-react';
import { type AuditEntry, type AuditVerdict, audit } from '@/api/accounts';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import type { AccountDictionary } from '@/i18n/accounts/en';
import { cx } from '@/lib/cx';
import { formatTime } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { Button } from '@/ui/button';
import { ErrorNote, Spinner } from '@/ui/feedback';
import type { SectionProps } from './account-page';
import { accountKeys, useMembers } from './queries';
import { SectionHead } from './section';

export function AuditSection({ now }: SectionProps) {
  const text = useAccountText();
  const common = useText();
  const members = useMembers(now.permissions.includes('member.read')).data ?? [];
  const list = useInfiniteQuery({
    queryKey: accountKeys.audit,
    queryFn: ({ pageParam }) => audit.page(pageParam),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
  });
  const verify = useMutation({ mutationFn: audit.verify });
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const nameOf = (id: string): string => members.find((each) => each.user === id)?.name ?? id.slice(0, 8);
  return (
    <>
      <SectionHead
        title={text.audit}
        lead={text.auditLead}
        action={
          <Button
            icon={<ShieldCheck size={16} aria-hidden />}
            disabled={verify.isPending}
            onClick={() => verify.mutate()}
          >
            {verify.isPending ? text.verifying : text.verify}
          </Button>
        }
      />
      <div role="status">{verify.data && <Verdict verdict={verify.data} />}</div>
      {verify.error && <ErrorNote error={verify.error} />}
      {list.isPending && <Spinner label={common.loading} />}
      {list.error && <ErrorNote error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && items.length === 0 && <p className="text-soft">{text.noEntries}</p>}
      {items.length > 0 && (
        <ol aria-label={text.audit} className="divide-y divide-line rounded-2xl border border-line bg-sheet">
          {items.map((entry) => (
            <Entry key={entry.seq} entry={entry} nameOf={nameOf} />
          ))}
        </ol>
      )}
      {list.hasNextPage && (
        <div className="flex justify-center pt-6">
          <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {text.older}
          </Button>
        </div>
      )}
    </>
  );
}

function Verdict({ verdict }: { verdict: AuditVerdict }) {
  const text = useAccountText();
  return (
    <p className={cx('mb-4 rounded-xl px-4 py-3 text-sm', verdict.ok ? 'bg-accent-wash' : 'bg-danger-wash')}>
      {verdict.ok
        ? text.verified(verdict.entries)
        : text.broken(String(verdict.break?.seq ?? ''), verdict.break?.fault ?? '')}
    </p>
  );
}

function Entry({ entry, nameOf }: { entry: AuditEntry; nameOf: (id: string) => string }) {
  const text = useAccountText();
  const locale = useLanguage();
  const alarming = { info: null, warning: text.warning, alarm: text.alarm }[entry.severity];
  const more = detailOf(entry.detail);
  return (
    <li className="grid gap-x-4 gap-y-0.5 px-4 py-3 text-sm sm:grid-cols-[3.5rem_minmax(0,1fr)_auto] sm:px-5">
      <span className="text-xs text-faint tabular-nums sm:pt-0.5" aria-label={`${text.entry} ${entry.seq}`}>
        {entry.seq}
      </span>
      <div className="min-w-0">
        <p>
          <span className="font-medium">{actorOf(entry, text, nameOf)}</span>{' '}
          <code className="font-mono text-xs text-soft">{entry.action}</code>
          {alarming && (
            <span
              className={cx(
                'ms-2 rounded-full px-2 py-0.5 text-xs font-medium',
                entry.severity === 'alarm' ? 'bg-danger-wash text-danger' : 'bg-warn-wash text-warn',
              )}
            >
              {alarming}
            </span>
          )}
        </p>
        {(entry.target ?? more) && (
          <p className="pt-0.5 text-xs break-words text-faint">
            {[entry.target && (isId(entry.target) ? nameOf(entry.target) : entry.target), more]
              .filter(Boolean)
              .join(' · ')}
          </p>
        )}
      </div>
      <time
        className="text-xs whitespace-nowrap text-faint sm:pt-0.5"
        dateTime={new Date(entry.at).toISOString()}
      >
        {formatTime(entry.at, locale)}
      </time>
    </li>
  );
}

const isId = (text: string): boolean => /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text);

function actorOf({ actor }: AuditEntry, text: AccountDictionary, nameOf: (id: string) => string): string {
  switch (actor.kind) {
    case 'user':
      return actor.id ? nameOf(actor.id) : text.unknownActor;
    case 'key':
      return `${text.keyActor} ${actor.id?.slice(0, 8) ?? ''}`.trim();
    case 'system':
      return text.systemActor;
    default:
      return text.unknownActor;
  }
}

/** What an entry says besides, as words: `role: admin`. */
function detailOf(detail: unknown): string {
  if (typeof detail !== 'object' || detail === null) return typeof detail === 'string' ? detail : '';
  return Object.entries(detail)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}
