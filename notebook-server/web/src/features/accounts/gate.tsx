import { type ReactNode, Suspense, lazy, useEffect, useState } from 'react';
import { useText } from '@/i18n';
import { useSessionState } from '@/state/session';
import type { Registration } from '@/state/session/machine';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { linkSecret } from './fragment';

const SignInPage = lazy(() => import('./sign-in-page').then((module) => ({ default: module.SignInPage })));

/** Lets the page be seen by who may see it. */
export function Gate({ children }: { children: ReactNode }) {
  const state = useSessionState();
  switch (state.kind) {
    case 'single_user':
      return children;
    case 'signed_in':
      // A link to set a new password counts whoever is signed in.
      return linkSecret(location.hash)?.kind === 'reset' ? <SignIn registration="closed" /> : children;
    case 'signed_out':
      return <SignIn registration={state.registration} />;
    case 'unreachable':
      return (
        <main className="mx-auto max-w-md px-5 pt-24">
          <ErrorNote error={state.problem} />
          <Patience />
        </main>
      );
    case 'starting':
    case 'gone':
      return <Patience />;
  }
}

function SignIn({ registration }: { registration: Registration }) {
  return (
    <Suspense fallback={<Patience />}>
      <SignInPage registration={registration} />
    </Suspense>
  );
}

/** Says that it loads, once that takes a while: what is quick should not flicker. */
function Patience() {
  const text = useText();
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 600);
    return () => clearTimeout(timer);
  }, []);
  return shown ? <Spinner label={text.loading} className="p-8" /> : null;
}
