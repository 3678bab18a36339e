import { useEffect, useState } from 'react';
import { auth } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { Field } from '@/ui/field';
import { Submit, useForm } from './form';

/** Whether mail to set a forgotten password can be asked for; no, until it is known. */
export function useMayReset(): boolean {
  const [may, setMay] = useState(false);
  useEffect(() => {
    let here = true;
    auth
      .mode()
      .then((found) => here && setMay(found.mode === 'accounts' && found.password_reset === true))
      // Then whoever runs the server is asked.
      .catch(() => undefined);
    return () => {
      here = false;
    };
  }, []);
  return may;
}

/** Asks for mail with a link to set a new password. Whether the address has an account is told to nobody. */
export function ForgotForm() {
  const text = useAccountText();
  const [email, setEmail] = useState('');
  const [asked, setAsked] = useState<string | null>(null);
  const { form, busy, errorAt, note } = useForm({
    fields: ['email'],
    send: async () => {
      await auth.forgot({ email: email.trim() });
      setAsked(email.trim());
    },
  });
  if (asked !== null) {
    return (
      <p role="status" className="rounded-xl bg-accent-wash px-4 py-3 text-sm">
        {text.forgotSent(asked)}
      </p>
    );
  }
  return (
    <form {...form} className="grid gap-4" aria-label={text.forgotTitle}>
      <Field
        label={text.email}
        name="email"
        type="email"
        autoComplete="username"
        inputMode="email"
        autoFocus
        required
        value={email}
        error={errorAt('email')}
        onChange={(event) => setEmail(event.target.value)}
      />
      {note}
      <Submit busy={busy || email.trim() === ''}>{text.forgotAction}</Submit>
    </form>
  );
}
