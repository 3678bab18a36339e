import { useState } from 'react';
import { account, members, workspaces } from '@/api/accounts';
import { auth, type Session } from '@/api/session';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { session } from '@/state/session';
import { Button } from '@/ui/button';
import { Confirm } from '@/ui/confirm';
import { Dialog } from '@/ui/dialog';
import { Field } from '@/ui/field';
import { PasswordField, useForm } from './form';

/** Goes on in our own workspace before this one is gone: what ends with it would be the session too. */
async function fromHome(work: () => Promise<unknown>): Promise<void> {
  const home = (await workspaces.list()).find(({ kind }) => kind === 'personal');
  if (home) await auth.toWorkspace(home.id);
  try {
    await work();
  } finally {
    // All tabs are told, and load anew.
    await session.reload();
  }
}

interface CardProps {
  title: string;
  hint: string;
  action: string;
  onAction: () => void;
}

function Card({ title, hint, action, onAction }: CardProps) {
  return (
    <section aria-label={title} className="mt-8 grid max-w-md gap-3 rounded-2xl border border-line p-5">
      <div>
        <h2 className="font-serif text-lg font-semibold">{title}</h2>
        <p className="text-sm text-soft">{hint}</p>
      </div>
      <Button look="danger" className="w-fit" onClick={onAction}>
        {action}
      </Button>
    </section>
  );
}

/** Leaving a team, which whoever is in it may do. */
export function LeaveWorkspace({ now }: { now: Session }) {
  const text = useAccountText();
  const [open, setOpen] = useState(false);
  const { name } = now.workspace;
  return (
    <>
      <Card
        title={text.leaveWorkspace}
        hint={text.leaveWorkspaceHint}
        action={text.leave}
        onAction={() => setOpen(true)}
      />
      {open && (
        <Confirm
          title={text.leaveTitle(name)}
          hint={text.leaveWorkspaceHint}
          action={text.leave}
          // The session was one of this workspace, and is over.
          onConfirm={async () => {
            await members.remove(now.user.id);
            location.assign('/');
          }}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}

/** Deleting a team's workspace: its name is typed again. */
export function DeleteWorkspace({ now }: { now: Session }) {
  const text = useAccountText();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Card
        title={text.deleteWorkspace}
        hint={text.deleteWorkspaceHint}
        action={text.deleteWorkspace}
        onAction={() => setOpen(true)}
      />
      {open && <DeleteWorkspaceDialog now={now} onClose={() => setOpen(false)} />}
    </>
  );
}

function DeleteWorkspaceDialog({ now, onClose }: { now: Session; onClose: () => void }) {
  const text = useAccountText();
  const common = useText();
  const { id, name } = now.workspace;
  const [typed, setTyped] = useState('');
  const { form, busy, errorAt, note } = useForm({
    fields: ['name'],
    send: () => fromHome(() => workspaces.remove(id, typed)),
  });
  return (
    <Dialog title={text.deleteWorkspaceTitle(name)} onClose={onClose}>
      <form {...form} className="grid gap-4">
        <p className="text-soft">{text.deleteWorkspaceHint}</p>
        <Field
          label={text.typeName(name)}
          name="name"
          autoComplete="off"
          value={typed}
          error={errorAt('name')}
          onChange={(event) => setTyped(event.target.value)}
          data-autofocus
        />
        {note}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button look="danger" type="submit" disabled={busy || typed !== name}>
            {text.deleteWorkspace}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Deleting one's account: the password is given again. */
export function DeleteAccount() {
  const text = useAccountText();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Card
        title={text.deleteAccount}
        hint={text.deleteAccountHint}
        action={text.deleteAccount}
        onAction={() => setOpen(true)}
      />
      {open && <DeleteAccountDialog onClose={() => setOpen(false)} />}
    </>
  );
}

function DeleteAccountDialog({ onClose }: { onClose: () => void }) {
  const text = useAccountText();
  const common = useText();
  const [password, setPassword] = useState('');
  const { form, busy, errorAt, note } = useForm({
    fields: ['password'],
    send: async () => {
      await account.remove(password);
      await session.signOut();
    },
  });
  return (
    <Dialog title={text.deleteAccountTitle} onClose={onClose}>
      <form {...form} className="grid gap-4">
        <p className="text-soft">{text.deleteAccountHint}</p>
        <PasswordField
          label={text.oldPassword}
          name="password"
          autoComplete="current-password"
          value={password}
          error={errorAt('password')}
          onChange={setPassword}
        />
        {note}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button look="danger" type="submit" disabled={busy || password === ''}>
            {text.deleteAccount}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
