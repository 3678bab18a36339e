import { useState } from 'react';
import { auth } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { session } from '@/state/session';
import { Field } from '@/ui/field';
import { PasswordField, Submit, useForm } from './form';
import { forgetLinkSecret } from './fragment';

/** Makes an account, by an invitation or without; who has one is signed in. */
export function SignUpForm({ invitation }: { invitation: string | null }) {
  const text = useAccountText();
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const { form, busy, errorAt, note } = useForm({
    fields: ['email', 'name', 'password'],
    send: () =>
      session.change(async () => {
        const told = await auth.register({
          email: email.trim(),
          name: name.trim(),
          password,
          ...(invitation ? { invitation } : {}),
        });
        if (invitation) forgetLinkSecret();
        return told;
      }),
  });
  return (
    <form {...form} className="grid gap-4" aria-label={text.signUpTitle}>
      <Field
        label={text.yourName}
        name="name"
        autoComplete="name"
        autoFocus
        required
        maxLength={100}
        value={name}
        error={errorAt('name')}
        onChange={(event) => setName(event.target.value)}
      />
      <Field
        label={text.email}
        name="email"
        type="email"
        autoComplete="username"
        inputMode="email"
        required
        value={email}
        error={errorAt('email')}
        onChange={(event) => setEmail(event.target.value)}
      />
      <PasswordField
        label={text.password}
        name="password"
        autoComplete="new-password"
        hint={text.passwordHint}
        value={password}
        error={errorAt('password')}
        onChange={setPassword}
      />
      {note}
      <Submit busy={busy}>{text.signUp}</Submit>
    </form>
  );
}
