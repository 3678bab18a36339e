import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { type GuardReport, guardReports } from '@/api/endpoints';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { formatTime } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { Button } from '@/ui/button';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { useMay } from '@/state/session';
import { accountKeys } from './queries';
import { Badge, Row, Rows, SectionHead } from './section';

/** Questions whose authors say that they were refused wrongly. */
export function ReportsSection() {
  const mayRemove = useMay('workspace.manage');
  const text = useAccountText();
  const common = useText();
  const client = useQueryClient();
  const list = useInfiniteQuery({
    queryKey: accountKeys.reports,
    queryFn: ({ pageParam }) => guardReports.page(pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });
  const remove = useMutation({
    mutationFn: guardReports.remove,
    onSettled: () => client.invalidateQueries({ queryKey: accountKeys.reports }),
  });
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <SectionHead title={text.reports} lead={text.reportsLead} />
      {remove.error && <ErrorNote error={remove.error} />}
      {list.isPending && <Spinner label={common.loading} />}
      {list.error && <ErrorNote error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && items.length === 0 && <p className="text-soft">{text.noReports}</p>}
      {items.length > 0 && (
        <Rows label={text.reports}>
          {items.map((report) => (
            <ReportRow
              key={report.id}
              report={report}
              busy={remove.isPending}
              onRemove={mayRemove ? () => remove.mutate(report.id) : undefined}
            />
          ))}
        </Rows>
      )}
      {list.hasNextPage && (
        <div className="flex justify-center pt-6">
          <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {text.olderReports}
          </Button>
        </div>
      )}
    </>
  );
}

interface ReportRowProps {
  report: GuardReport;
  busy: boolean;
  onRemove: (() => void) | undefined;
}

function ReportRow({ report, busy, onRemove }: ReportRowProps) {
  const text = useAccountText();
  const locale = useLanguage();
  const hash = report.question_sha256.slice(0, 12);
  return (
    <Row
      title={
        <>
          {report.question ?? <span className="font-normal text-soft">{text.questionNotKept}</span>}
          {report.labels.map((label) => (
            <Badge key={label}>{label.replaceAll('_', ' ')}</Badge>
          ))}
        </>
      }
      note={[report.remark, formatTime(report.created_at, locale), `SHA-256 ${hash}…`]
        .filter(Boolean)
        .join(' · ')}
      action={
        onRemove && (
          <Button aria-label={text.removeReportOf(hash)} disabled={busy} onClick={onRemove}>
            {text.removeReport}
          </Button>
        )
      }
    />
  );
}
