import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { type SignInSession, sessions } from '@/api/accounts';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { formatDate, formatTime } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { Button } from '@/ui/button';
import { Confirm } from '@/ui/confirm';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { clientName } from './client-name';
import { accountKeys, useSessions } from './queries';
import { Badge, Row, Rows, SectionHead } from './section';

export function SessionsSection() {
  const text = useAccountText();
  const common = useText();
  const client = useQueryClient();
  const list = useSessions();
  const [asking, setAsking] = useState(false);
  const [ended, setEnded] = useState<number | null>(null);
  const fresh = (): Promise<void> => client.invalidateQueries({ queryKey: accountKeys.sessions });
  const items = list.data ?? [];
  return (
    <>
      <SectionHead
        title={text.sessions}
        lead={text.sessionsLead}
        action={items.length > 1 && <Button onClick={() => setAsking(true)}>{text.endOthers}</Button>}
      />
      {list.isPending && <Spinner label={common.loading} />}
      {list.error && <ErrorNote error={list.error} onRetry={() => void list.refetch()} />}
      <p role="status" className={ended === null ? 'sr-only' : 'pb-4 text-sm text-soft'}>
        {ended === null ? '' : text.othersEnded(ended)}
      </p>
      {items.length > 0 && (
        <Rows label={text.sessions}>
          {items.map((item) => (
            <SessionRow key={item.id} item={item} onEnded={fresh} />
          ))}
        </Rows>
      )}
      {asking && (
        <Confirm
          title={text.endOthers}
          hint={text.endOthersHint}
          action={text.endOthers}
          onConfirm={async () => {
            setEnded((await sessions.endOthers()).ended);
            await fresh();
          }}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}

function SessionRow({ item, onEnded }: { item: SignInSession; onEnded: () => Promise<void> }) {
  const text = useAccountText();
  const locale = useLanguage();
  const end = useMutation({ mutationFn: () => sessions.end(item.id), onSuccess: onEnded });
  const name = clientName(item.client) ?? text.unknownClient;
  const facts = [
    item.address,
    text.sessionSince(formatTime(item.created_at, locale)),
    text.sessionUntil(formatDate(item.ends_at, locale)),
  ];
  return (
    <>
      <Row
        title={
          <span title={item.client ?? undefined}>
            {name}
            {item.current && <Badge>{text.thisSession}</Badge>}
          </span>
        }
        note={facts.filter(Boolean).join(' · ')}
        action={
          !item.current && (
            <Button
              aria-label={text.endSessionOf(name)}
              disabled={end.isPending}
              onClick={() => end.mutate()}
            >
              {text.endSession}
            </Button>
          )
        }
      />
      {end.error && <ErrorNote error={end.error} />}
    </>
  );
}
