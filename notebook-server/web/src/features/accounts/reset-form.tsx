import { useState } from 'react';
import { auth } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { PasswordField, Submit, useForm } from './form';

/** Sets a new password by the token of a link. */
export function ResetForm({ token, onDone }: { token: string; onDone: () => void }) {
  const text = useAccountText();
  const [password, setPassword] = useState('');
  const { form, busy, errorAt, note } = useForm({
    fields: ['password'],
    send: async () => {
      await auth.reset({ token, password });
      onDone();
    },
  });
  return (
    <form {...form} className="grid gap-4" aria-label={text.resetTitle}>
      <PasswordField
        label={text.newPassword}
        name="password"
        autoComplete="new-password"
        hint={text.passwordHint}
        value={password}
        error={errorAt('password')}
        onChange={setPassword}
      />
      {note}
      <Submit busy={busy}>{text.resetAction}</Submit>
    </form>
  );
}
