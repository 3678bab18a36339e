import { useMutation, useQueryClient } from '@tanstack/react-query';
import { UserPlus } from 'lucide-react';
import { useState } from 'react';
import { type Member, invitations, members } from '@/api/accounts';
import type { Role } from '@/api/session';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { formatDate } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { session } from '@/state/session';
import { Button } from '@/ui/button';
import { Confirm } from '@/ui/confirm';
import { ErrorNote, Spinner } from '@/ui/feedback';
import type { SectionProps } from './account-page';
import { InviteDialog } from './invite-dialog';
import { accountKeys, useInvitations, useMembers } from './queries';
import { RoleSelect } from './role-select';
import { isWithin, roleName } from './roles';
import { Badge, Row, Rows, SectionHead } from './section';

export function MembersSection({ now }: SectionProps) {
  const text = useAccountText();
  const common = useText();
  const client = useQueryClient();
  const list = useMembers();
  const [inviting, setInviting] = useState(false);
  const [removing, setRemoving] = useState<Member | null>(null);
  const manages = now.permissions.includes('member.manage');
  const items = list.data ?? [];
  return (
    <>
      <SectionHead
        title={text.members}
        lead={text.membersLead}
        action={
          manages && (
            <Button
              look="primary"
              icon={<UserPlus size={16} aria-hidden />}
              onClick={() => setInviting(true)}
            >
              {text.invite}
            </Button>
          )
        }
      />
      {list.isPending && <Spinner label={common.loading} />}
      {list.error && <ErrorNote error={list.error} onRetry={() => void list.refetch()} />}
      {items.length > 0 && (
        <Rows label={text.members}>
          {items.map((member) => (
            <MemberRow
              key={member.user}
              member={member}
              own={member.user === now.user.id}
              role={manages && isWithin(member.role, now.workspace.role) ? now.workspace.role : null}
              onRemove={() => setRemoving(member)}
            />
          ))}
        </Rows>
      )}
      {manages && <OpenInvitations />}
      {inviting && (
        <InviteDialog
          own={now.workspace.role}
          onMade={() => client.invalidateQueries({ queryKey: accountKeys.invitations })}
          onClose={() => setInviting(false)}
        />
      )}
      {removing && (
        <Confirm
          title={text.removeMemberTitle}
          hint={text.removeMemberHint(removing.name)}
          action={text.removeMember}
          onConfirm={async () => {
            await members.remove(removing.user);
            await client.invalidateQueries({ queryKey: accountKeys.members });
          }}
          onClose={() => setRemoving(null)}
        />
      )}
    </>
  );
}

interface MemberRowProps {
  member: Member;
  own: boolean;
  /** The role up to which this member's may be changed; null when it may not. */
  role: Role | null;
  onRemove: () => void;
}

function MemberRow({ member, own, role, onRemove }: MemberRowProps) {
  const text = useAccountText();
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: async (next: Role) => {
      await members.setRole(member.user, next);
      // One's own role says what this page offers.
      if (own) await session.reload();
    },
    onSettled: () => client.invalidateQueries({ queryKey: accountKeys.members }),
  });
  const shown = change.isPending ? change.variables : member.role;
  return (
    <>
      <Row
        title={
          <>
            {member.name}
            {own && <Badge>{text.you}</Badge>}
          </>
        }
        note={member.email}
        action={
          role === null ? (
            <span className="text-sm text-soft">{roleName(member.role, text)}</span>
          ) : (
            <>
              <RoleSelect
                label={text.roleOf(member.name)}
                value={shown}
                upTo={role}
                disabled={change.isPending}
                onChange={change.mutate}
              />
              {!own && (
                <Button aria-label={text.removeMemberOf(member.name)} onClick={onRemove}>
                  {text.removeMember}
                </Button>
              )}
            </>
          )
        }
      />
      {change.error && (
        <li className="p-3">
          <ErrorNote error={change.error} />
        </li>
      )}
    </>
  );
}

function OpenInvitations() {
  const text = useAccountText();
  const locale = useLanguage();
  const client = useQueryClient();
  const list = useInvitations(true);
  const withdraw = useMutation({
    mutationFn: invitations.remove,
    onSettled: () => client.invalidateQueries({ queryKey: accountKeys.invitations }),
  });
  const items = list.data ?? [];
  if (list.error) return <ErrorNote error={list.error} onRetry={() => void list.refetch()} />;
  if (items.length === 0) return null;
  return (
    <section className="pt-8">
      <h2 className="pb-3 font-serif text-lg font-semibold">{text.invitations}</h2>
      {withdraw.error && <ErrorNote error={withdraw.error} />}
      <Rows label={text.invitations}>
        {items.map((item) => (
          <Row
            key={item.id}
            title={item.email}
            note={`${roleName(item.role, text)} · ${text.invitedUntil(formatDate(item.expires_at, locale))}`}
            action={
              <Button
                aria-label={text.withdrawOf(item.email)}
                disabled={withdraw.isPending}
                onClick={() => withdraw.mutate(item.id)}
              >
                {text.withdraw}
              </Button>
            }
          />
        ))}
      </Rows>
    </section>
  );
}
