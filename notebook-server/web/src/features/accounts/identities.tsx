import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { type Identity, identities } from '@/api/accounts';
import type { Provider } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { formatDate } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { Button } from '@/ui/button';
import { ErrorNote } from '@/ui/feedback';
import { useProviders } from './provider-buttons';
import { accountKeys } from './queries';
import { forgetRefusal, providerRefusal, refusalText } from './refusal';
import { Row, Rows } from './section';

/** The accounts elsewhere by which one signs in; nothing where there are neither those nor providers. */
export function Identities() {
  const text = useAccountText();
  const client = useQueryClient();
  const providers = useProviders();
  const list = useQuery({ queryKey: accountKeys.identities, queryFn: identities.list });
  const [refusal] = useState(() => providerRefusal(location.search));
  useEffect(() => {
    if (refusal) forgetRefusal();
  }, [refusal]);
  const link = useMutation({
    mutationFn: async (name: string) => location.assign(await identities.link(name)),
  });
  const fresh = (): Promise<void> => client.invalidateQueries({ queryKey: accountKeys.identities });
  const items = list.data ?? [];
  if (list.error) return <ErrorNote error={list.error} onRetry={() => void list.refetch()} />;
  if (items.length === 0 && providers.length === 0) return null;
  const missing = providers.filter(({ name }) => !items.some((item) => item.provider === name));
  return (
    <section aria-label={text.identities} className="grid max-w-md gap-4 pt-8">
      <div>
        <h2 className="font-serif text-lg font-semibold">{text.identities}</h2>
        <p className="text-sm text-soft">{text.identitiesHint}</p>
      </div>
      {refusal?.kind === 'link' && (
        <p role="alert" className="rounded-xl bg-danger-wash px-4 py-3 text-sm">
          {refusalText(refusal, text)}
        </p>
      )}
      {items.length > 0 && (
        <Rows label={text.identities}>
          {items.map((item) => (
            <IdentityRow key={item.id} item={item} providers={providers} onGone={fresh} />
          ))}
        </Rows>
      )}
      {missing.map(({ name, label }) => (
        <Button key={name} className="w-fit" disabled={link.isPending} onClick={() => link.mutate(name)}>
          {text.linkTo(label)}
        </Button>
      ))}
      {link.error && <ErrorNote error={link.error} />}
    </section>
  );
}

interface IdentityRowProps {
  item: Identity;
  providers: Provider[];
  onGone: () => Promise<void>;
}

function IdentityRow({ item, providers, onGone }: IdentityRowProps) {
  const text = useAccountText();
  const locale = useLanguage();
  const unlink = useMutation({ mutationFn: () => identities.unlink(item.id), onSuccess: onGone });
  const name = providers.find((provider) => provider.name === item.provider)?.label ?? item.issuer;
  return (
    <>
      <Row
        title={name}
        note={text.linkedSince(formatDate(item.created_at, locale))}
        action={
          <Button
            aria-label={text.unlinkFrom(name)}
            disabled={unlink.isPending}
            onClick={() => unlink.mutate()}
          >
            {text.unlink}
          </Button>
        }
      />
      {unlink.error && <ErrorNote error={unlink.error} />}
    </>
  );
}
