import { Building2, Check, LogOut, Plus, Settings2, UserRound } from 'lucide-react';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { workspaces } from '@/api/accounts';
import type { Session } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { useText } from '@/i18n';
import { inFlight } from '@/features/sources/upload-machine';
import { uploads } from '@/features/sources/uploads';
import { session } from '@/state/session';
import { Confirm, Rename } from '@/ui/confirm';
import { Dialog } from '@/ui/dialog';
import { ErrorNote } from '@/ui/feedback';
import { Menu } from '@/ui/menu';
import { InvitationDialog } from './invitation-dialog';
import { switchTo, useWorkspaces } from './queries';

/** Who is signed in and where; the way to other workspaces and out. */
export function AccountMenu({ now }: { now: Session }) {
  const text = useAccountText();
  const common = useText();
  const [, go] = useLocation();
  const list = useWorkspaces();
  const [making, setMaking] = useState(false);
  const [waiting, setWaiting] = useState<(() => Promise<unknown>) | null>(null);
  const [error, setError] = useState<unknown>(null);

  /** What loads the page anew ends its uploads: not without being asked. */
  const leaving = (work: () => Promise<unknown>): void => {
    const busy = uploads.get().some(({ state }) => inFlight(state) || state.kind === 'waiting');
    if (busy) setWaiting(() => work);
    else work().catch(setError);
  };
  const { user, workspace } = now;
  const places = list.data ?? [workspace];
  return (
    <>
      <Menu
        label={text.accountMenu(user.name, workspace.name)}
        className="flex h-8 min-w-0 items-center gap-2 rounded-full border border-line ps-1 pe-3 text-xs text-soft transition-colors hover:bg-wash hover:text-ink max-sm:size-9 max-sm:justify-center max-sm:p-0"
        trigger={
          <>
            <span
              aria-hidden
              // Not as text: what can be read on a button has to be in its name.
              data-initial={initial(user.name)}
              className="grid size-6 shrink-0 place-items-center rounded-full bg-accent-wash text-[11px] font-semibold text-accent before:content-[attr(data-initial)]"
            />
            <span className="max-w-36 truncate max-sm:hidden">{workspace.name}</span>
          </>
        }
        items={[
          ...places.map((each) => ({
            label: each.name,
            icon:
              each.id === workspace.id ? (
                <Check size={16} className="shrink-0 text-accent" aria-hidden />
              ) : each.kind === 'personal' ? (
                <UserRound size={16} className="shrink-0 text-faint" aria-hidden />
              ) : (
                <Building2 size={16} className="shrink-0 text-faint" aria-hidden />
              ),
            checked: each.id === workspace.id,
            onSelect: () => {
              if (each.id !== workspace.id) leaving(() => switchTo(each.id));
            },
          })),
          {
            label: text.newWorkspace,
            icon: <Plus size={16} className="shrink-0" aria-hidden />,
            onSelect: () => setMaking(true),
          },
          {
            label: text.manage,
            icon: <Settings2 size={16} className="shrink-0" aria-hidden />,
            separated: true,
            onSelect: () => go('/account'),
          },
          {
            label: text.signOut,
            icon: <LogOut size={16} className="shrink-0" aria-hidden />,
            onSelect: () => leaving(session.signOut),
          },
        ]}
      />
      {making && (
        <Rename
          title={text.newWorkspace}
          hint={text.newWorkspaceHint}
          action={text.create}
          value=""
          onSave={async (name) => switchTo((await workspaces.create(name)).id)}
          onClose={() => setMaking(false)}
        />
      )}
      {waiting && (
        <Confirm
          title={text.uploadsWaiting}
          hint={text.uploadsWaitingHint}
          action={text.goOn}
          onConfirm={waiting}
          onClose={() => setWaiting(null)}
        />
      )}
      {error !== null && (
        <Dialog title={common.appName} onClose={() => setError(null)}>
          <ErrorNote error={error} />
        </Dialog>
      )}
      <InvitationDialog email={user.email} onJoined={(place) => switchTo(place.id)} />
    </>
  );
}

const initial = (name: string): string => [...name.trim()][0]?.toUpperCase() ?? '?';
