import { useQueryClient } from '@tanstack/react-query';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { type ApiKey, keys } from '@/api/accounts';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { formatAgo, formatDate } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { Button } from '@/ui/button';
import { Confirm } from '@/ui/confirm';
import { ErrorNote, Spinner } from '@/ui/feedback';
import type { SectionProps } from './account-page';
import { KeyDialog } from './key-dialog';
import { accountKeys, useKeys, useMembers } from './queries';
import { Row, Rows, SectionHead } from './section';

export function KeysSection({ now }: SectionProps) {
  const text = useAccountText();
  const common = useText();
  const client = useQueryClient();
  const list = useKeys();
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const fresh = (): Promise<void> => client.invalidateQueries({ queryKey: accountKeys.keys });
  // Others' keys are in the list only for who manages them.
  const members = useMembers(now.permissions.includes('api_key.manage')).data ?? [];
  const owner = (key: ApiKey): string | null =>
    key.user === now.user.id ? null : (members.find((each) => each.user === key.user)?.name ?? null);
  const items = list.data ?? [];
  return (
    <>
      <SectionHead
        title={text.keys}
        lead={text.keysLead}
        action={
          <Button look="primary" icon={<Plus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            {text.newKey}
          </Button>
        }
      />
      {list.isPending && <Spinner label={common.loading} />}
      {list.error && <ErrorNote error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && items.length === 0 && <p className="text-soft">{text.noKeys}</p>}
      {items.length > 0 && (
        <Rows label={text.keys}>
          {items.map((key) => (
            <KeyRow key={key.id} item={key} owner={owner(key)} onRevoke={() => setRevoking(key)} />
          ))}
        </Rows>
      )}
      {making && <KeyDialog permissions={now.permissions} onMade={fresh} onClose={() => setMaking(false)} />}
      {revoking && (
        <Confirm
          title={text.revokeKey}
          hint={text.revokeKeyHint(revoking.name)}
          action={text.revoke}
          onConfirm={async () => {
            await keys.revoke(revoking.id);
            await fresh();
          }}
          onClose={() => setRevoking(null)}
        />
      )}
    </>
  );
}

interface KeyRowProps {
  item: ApiKey;
  owner: string | null;
  onRevoke: () => void;
}

function KeyRow({ item, owner, onRevoke }: KeyRowProps) {
  const text = useAccountText();
  const locale = useLanguage();
  const [opened] = useState(Date.now);
  const over =
    item.revoked_at !== null
      ? text.revoked
      : item.expires_at !== null && item.expires_at <= opened
        ? text.expired
        : null;
  const facts = [
    owner,
    over ?? (item.expires_at === null ? text.endsNever : text.endsAt(formatDate(item.expires_at, locale))),
    item.last_used_at === null ? text.neverUsed : text.lastUsed(formatAgo(item.last_used_at, opened, locale)),
    item.scopes.join(', '),
  ];
  return (
    <Row
      dim={over !== null}
      title={
        <>
          {item.name} <code className="ms-1 font-mono text-xs font-normal text-faint">{item.prefix}…</code>
        </>
      }
      note={facts.filter(Boolean).join(' · ')}
      action={
        over === null && (
          <Button aria-label={text.revokeKeyOf(item.name)} onClick={onRevoke}>
            {text.revoke}
          </Button>
        )
      }
    />
  );
}
