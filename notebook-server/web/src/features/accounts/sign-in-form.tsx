import { useState } from 'react';
import { auth } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { session } from '@/state/session';
import { Field } from '@/ui/field';
import { PasswordField, Submit, useForm } from './form';

/** `onForgot`: where mail to set a new password can be asked for. */
export function SignInForm({ onForgot }: { onForgot: (() => void) | null }) {
  const text = useAccountText();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const { form, busy, errorAt, note } = useForm({
    fields: ['email', 'password'],
    refused: text.wrongCredentials,
    send: () => session.change(() => auth.login({ email: email.trim(), password })),
  });
  return (
    <form {...form} className="grid gap-4" aria-label={text.signInTitle}>
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
      <PasswordField
        label={text.password}
        name="password"
        autoComplete="current-password"
        value={password}
        error={errorAt('password')}
        onChange={setPassword}
      />
      {note}
      <Submit busy={busy}>{text.signIn}</Submit>
      {onForgot ? (
        <button
          type="button"
          className="w-fit text-sm text-soft underline underline-offset-3"
          onClick={onForgot}
        >
          {text.forgot}
        </button>
      ) : (
        <details className="text-sm text-soft">
          <summary className="w-fit rounded-md">{text.forgot}</summary>
          <p className="pt-1.5">{text.forgotHint}</p>
        </details>
      )}
    </form>
  );
}
