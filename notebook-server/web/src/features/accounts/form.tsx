import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import { asProblem, type Problem } from '@/api/problem';
import { type AccountDictionary } from '@/i18n/accounts/en';
import { useAccountText } from '@/i18n/accounts';
import { Button } from '@/ui/button';
import { ErrorNote } from '@/ui/feedback';
import { Field } from '@/ui/field';

/** The server's words, or ours where it says no more than that it refuses. */
export function sentence(problem: Problem, text: AccountDictionary, refused: string): string {
  if (problem.field === 'old') return text.wrongOldPassword;
  if (problem.code === 'already_exists' && problem.field === 'email') return text.emailTaken;
  if (problem.status === 401) return refused;
  if (problem.status === 429 && problem.retryAfter !== null) {
    return text.tooMany(Math.ceil(problem.retryAfter / 1000));
  }
  // Beside the field its name says nothing more.
  const plain = problem.detail.replace(/^`[^`]*`: /, '');
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

interface FormOptions {
  /** The names of the fields that the form shows: other errors stand below it. */
  fields: readonly string[];
  /** What a 401 means here. */
  refused?: string;
  send: () => Promise<unknown>;
}

/** Sends a form, and puts what the server refuses at the field that it names. */
export function useForm({ fields, refused = '', send }: FormOptions) {
  const text = useAccountText();
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const at = problem?.field && fields.includes(problem.field) ? problem.field : null;
  const words = problem && sentence(problem, text, refused);
  useEffect(() => {
    if (problem) form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  }, [problem]);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    send()
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => setBusy(false));
  };
  return {
    form: { ref: form, onSubmit: submit, noValidate: true },
    busy,
    errorAt: (field: string): string | null => (at === field ? words : null),
    note:
      problem && !at ? (
        problem.status === 401 || problem.status === 429 ? (
          <p role="alert" className="rounded-xl bg-danger-wash px-4 py-3 text-sm">
            {words}
          </p>
        ) : (
          <ErrorNote error={problem} />
        )
      ) : null,
  };
}

interface PasswordFieldProps {
  label: string;
  name: string;
  value: string;
  autoComplete: 'current-password' | 'new-password';
  hint?: string;
  error?: string | null;
  onChange: (value: string) => void;
}

/** A password, which can be looked at. */
export function PasswordField({ onChange, ...rest }: PasswordFieldProps) {
  const text = useAccountText();
  const [shown, setShown] = useState(false);
  const id = useId();
  return (
    <div className="grid gap-2">
      <Field
        {...rest}
        type={shown ? 'text' : 'password'}
        required
        maxLength={256}
        spellCheck={false}
        autoCapitalize="none"
        onChange={(event) => onChange(event.target.value)}
      />
      <label htmlFor={id} className="flex w-fit items-center gap-2 text-xs text-soft">
        <input
          id={id}
          type="checkbox"
          className="size-3.5 accent-accent"
          checked={shown}
          onChange={(event) => setShown(event.target.checked)}
        />
        {text.showPassword}
      </label>
    </div>
  );
}

export function Submit({ busy, children }: { busy: boolean; children: string }) {
  return (
    <Button look="primary" type="submit" disabled={busy} className="h-10 w-full">
      {children}
    </Button>
  );
}
