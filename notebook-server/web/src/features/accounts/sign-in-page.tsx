import { type ReactNode, useEffect, useState } from 'react';
import { languages, useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { language, useLanguage } from '@/state/preferences';
import { endedBefore, session } from '@/state/session';
import type { Registration } from '@/state/session/machine';
import { ThemeButton } from '@/features/settings/theme-button';
import { ForgotForm, useMayReset } from './forgot-form';
import { forgetLinkSecret, linkSecret } from './fragment';
import { ProviderButtons } from './provider-buttons';
import { forgetRefusal, providerRefusal, refusalText } from './refusal';
import { ResetForm } from './reset-form';
import { SignInForm } from './sign-in-form';
import { SignUpForm } from './sign-up-form';

type View = 'sign-in' | 'sign-up' | 'forgot' | 'reset' | 'reset-done';

/** What who is not signed in sees: signing in, signing up, setting a new password by a link. */
export function SignInPage({ registration }: { registration: Registration }) {
  const text = useText();
  const words = useAccountText();
  const [secret] = useState(() => linkSecret(location.hash));
  const [view, setView] = useState<View>(() =>
    secret?.kind === 'reset' ? 'reset' : secret && registration !== 'closed' ? 'sign-up' : 'sign-in',
  );
  const mayReset = useMayReset();
  const [refusal] = useState(() => providerRefusal(location.search));
  useEffect(() => {
    if (refusal) forgetRefusal();
  }, [refusal]);
  const invitation = secret?.kind === 'invitation' ? secret.token : null;
  const titles: Record<View, string> = {
    'sign-in': words.signInTitle,
    'sign-up': words.signUpTitle,
    forgot: words.forgotTitle,
    reset: words.resetTitle,
    'reset-done': words.signInTitle,
  };
  const title = titles[view];
  useEffect(() => {
    document.title = `${title} · ${text.appName}`;
  }, [title, text]);
  const note =
    view === 'reset-done'
      ? words.resetDone
      : view === 'sign-in' && endedBefore
        ? endedBefore === 'left'
          ? words.signedOut
          : words.sessionEnded
        : null;
  const mayRegister = registration !== 'closed' && (registration === 'open' || invitation !== null);

  return (
    <Frame>
      <h1 className="font-serif text-3xl font-semibold tracking-tight">{title}</h1>
      <p className="pt-1.5 pb-6 text-pretty text-soft">
        {view === 'forgot'
          ? words.forgotLead
          : view === 'sign-up' && invitation
            ? words.signUpInvited
            : words.signInLead}
      </p>
      {note && (
        <p role="status" className="mb-5 rounded-xl bg-accent-wash px-4 py-3 text-sm">
          {note}
        </p>
      )}
      {refusal && view !== 'reset' && (
        <p role="alert" className="mb-5 rounded-xl bg-danger-wash px-4 py-3 text-sm">
          {refusalText(refusal, words)}
        </p>
      )}
      {!window.isSecureContext && (
        <p role="alert" className="mb-5 rounded-xl bg-warn-wash px-4 py-3 text-sm">
          {words.insecure}
        </p>
      )}
      {view === 'sign-up' && <SignUpForm invitation={invitation} />}
      {view === 'reset' && secret && (
        <ResetForm
          token={secret.token}
          onDone={() => {
            forgetLinkSecret();
            // Whoever was signed in here is not any more.
            if (session.state.get().kind === 'signed_in') location.reload();
            else setView('reset-done');
          }}
        />
      )}
      {view === 'forgot' && <ForgotForm />}
      {(view === 'sign-in' || view === 'reset-done') && (
        <SignInForm onForgot={mayReset ? () => setView('forgot') : null} />
      )}
      {view !== 'reset' && view !== 'forgot' && <ProviderButtons invitation={invitation} />}
      <div className="mt-6 border-t border-line pt-5 text-sm text-soft">
        {view === 'sign-in' || view === 'reset-done' ? (
          mayRegister ? (
            <Turn question={words.noAccount} action={words.signUp} onTurn={() => setView('sign-up')} />
          ) : (
            <p>{words.byInvitation}</p>
          )
        ) : (
          <Turn question={words.haveAccount} action={words.toSignIn} onTurn={() => setView('sign-in')} />
        )}
      </div>
    </Frame>
  );
}

function Turn({ question, action, onTurn }: { question: string; action: string; onTurn: () => void }) {
  return (
    <p>
      {question}{' '}
      <button type="button" onClick={onTurn} className="font-medium text-accent underline underline-offset-3">
        {action}
      </button>
    </p>
  );
}

function Frame({ children }: { children: ReactNode }) {
  const text = useText();
  const now = useLanguage();
  return (
    <div className="flex min-h-full flex-col">
      <header className="flex h-14 shrink-0 items-center gap-2 ps-4 pe-3">
        <img src="/icon.svg" alt="" width={28} height={28} />
        <span className="flex-1 ps-1 font-serif text-lg font-semibold">{text.appName}</span>
        <select
          aria-label={text.language}
          value={now}
          onChange={(event) => language.set(event.target.value as typeof now)}
          className="h-8 rounded-lg bg-transparent px-2 text-sm text-soft hover:bg-wash hover:text-ink"
        >
          {languages.map(({ code, name }) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
        </select>
        <ThemeButton />
      </header>
      <main className="flex flex-1 items-start justify-center px-4 pt-6 pb-16 sm:pt-[12vh]">
        <div className="w-full max-w-100 rounded-2xl border border-line bg-sheet px-6 py-7 sm:px-8">
          {children}
        </div>
      </main>
    </div>
  );
}
