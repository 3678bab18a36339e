import { useState } from 'react';
import { invitations } from '@/api/accounts';
import type { Role } from '@/api/session';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { Field } from '@/ui/field';
import { CopyBox } from './copy-box';
import { useForm } from './form';
import { invitationLink } from './fragment';
import { RoleSelect } from './role-select';
import { roleHint } from './roles';

interface InviteDialogProps {
  /** The role of who invites: none above it may be given. */
  own: Role;
  onMade: () => Promise<void>;
  onClose: () => void;
}

/** Invites somebody, and shows the link this once. */
export function InviteDialog({ own, onMade, onClose }: InviteDialogProps) {
  const text = useAccountText();
  const common = useText();
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [link, setLink] = useState<string | null>(null);
  const [mailed, setMailed] = useState(false);
  const { form, busy, errorAt, note } = useForm({
    fields: ['email', 'role'],
    send: async () => {
      const made = await invitations.create({ email: email.trim(), role });
      setMailed(made.mailed === true);
      setLink(invitationLink(made.token));
      await onMade();
    },
  });
  if (link !== null) {
    return (
      <Dialog key="link" keep title={text.inviteCreated} onClose={onClose}>
        <p className="pb-4 text-soft">
          {mailed ? text.inviteMailedHint(email.trim()) : text.inviteCreatedHint(email.trim())}
        </p>
        <CopyBox label={text.link} value={link} />
        <div className="flex justify-end pt-2">
          <Button look="primary" onClick={onClose}>
            {text.done}
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={text.inviteTitle} onClose={onClose}>
      <form {...form} className="grid gap-4">
        <Field
          label={text.email}
          name="email"
          type="email"
          autoComplete="off"
          value={email}
          error={errorAt('email')}
          onChange={(event) => setEmail(event.target.value)}
          data-autofocus
        />
        <div className="grid gap-1.5">
          <span className="text-sm font-medium" aria-hidden>
            {text.role}
          </span>
          <RoleSelect label={text.role} value={role} upTo={own} onChange={setRole} />
          <p className={errorAt('role') ? 'text-xs text-danger' : 'text-xs text-faint'}>
            {errorAt('role') ?? roleHint(role, text)}
          </p>
        </div>
        {note}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button look="primary" type="submit" disabled={busy || email.trim() === ''}>
            {text.invite}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
