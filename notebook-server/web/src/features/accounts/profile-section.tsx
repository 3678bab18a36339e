import { useState } from 'react';
import { auth } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { session } from '@/state/session';
import { Button } from '@/ui/button';
import type { SectionProps } from './account-page';
import { DeleteAccount } from './farewell';
import { PasswordField, useForm } from './form';
import { Identities } from './identities';
import { SectionHead } from './section';

export function ProfileSection({ now }: SectionProps) {
  const text = useAccountText();
  const [old, setOld] = useState('');
  const [password, setPassword] = useState('');
  const [done, setDone] = useState(false);
  const { form, busy, errorAt, note } = useForm({
    fields: ['old', 'new', 'password'],
    send: async () => {
      setDone(false);
      await session.change(() => auth.password({ old, new: password }));
      setOld('');
      setPassword('');
      setDone(true);
    },
  });
  return (
    <>
      <SectionHead title={now.user.name} lead={`${text.signedInAs} ${now.user.email}`} />
      <form
        {...form}
        aria-label={text.changePassword}
        className="grid max-w-md gap-4 rounded-2xl border border-line bg-sheet p-5"
      >
        <div>
          <h2 className="font-serif text-lg font-semibold">{text.changePassword}</h2>
          <p className="text-sm text-soft">{text.changePasswordHint}</p>
        </div>
        {/* Tells password managers whose password this is. */}
        <input type="text" name="username" autoComplete="username" value={now.user.email} readOnly hidden />
        <PasswordField
          label={text.oldPassword}
          name="old"
          autoComplete="current-password"
          value={old}
          error={errorAt('old')}
          onChange={setOld}
        />
        <PasswordField
          label={text.newPassword}
          name="new"
          autoComplete="new-password"
          hint={text.passwordHint}
          value={password}
          error={errorAt('new') ?? errorAt('password')}
          onChange={setPassword}
        />
        {note}
        {done && (
          <p role="status" className="rounded-xl bg-accent-wash px-4 py-3 text-sm">
            {text.passwordChanged}
          </p>
        )}
        <Button
          look="primary"
          type="submit"
          className="w-fit"
          disabled={busy || old === '' || password === ''}
        >
          {text.changePassword}
        </Button>
      </form>
      <Identities />
      <DeleteAccount />
    </>
  );
}
