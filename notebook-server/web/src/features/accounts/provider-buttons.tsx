import { useEffect, useState } from 'react';
import { asProblem, type Problem } from '@/api/problem';
import { auth, type Provider } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { Button } from '@/ui/button';
import { ErrorNote } from '@/ui/feedback';

/** The OpenID providers of this server; none until they are known. */
export function useProviders(): Provider[] {
  const [providers, setProviders] = useState<Provider[]>([]);
  useEffect(() => {
    let here = true;
    auth
      .providers()
      .then((found) => here && setProviders(found))
      // Who has a password signs in without them.
      .catch(() => undefined);
    return () => {
      here = false;
    };
  }, []);
  return providers;
}

/** A way to sign in at each provider. */
export function ProviderButtons({ invitation }: { invitation: string | null }) {
  const text = useAccountText();
  const providers = useProviders();
  const [leaving, setLeaving] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  if (providers.length === 0) return null;
  const go = (name: string): void => {
    setLeaving(true);
    setProblem(null);
    auth
      .toProvider(name, { to: location.pathname, ...(invitation ? { invitation } : {}) })
      .then((place) => location.assign(place))
      .catch((error: unknown) => {
        setProblem(asProblem(error));
        setLeaving(false);
      });
  };
  return (
    <div className="mt-5 grid gap-2.5">
      <p className="flex items-center gap-3 text-xs text-faint before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
        {text.orElse}
      </p>
      {providers.map(({ name, label }) => (
        <Button key={name} className="h-10 w-full" disabled={leaving} onClick={() => go(name)}>
          <span className="truncate">{text.signInWith(label)}</span>
        </Button>
      ))}
      {problem && <ErrorNote error={problem} />}
    </div>
  );
}
