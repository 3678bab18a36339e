import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { workspaces } from '@/api/accounts';
import type { Workspace } from '@/api/session';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { ErrorNote } from '@/ui/feedback';
import { forgetLinkSecret, linkSecret } from './fragment';

interface InvitationDialogProps {
  email: string;
  onJoined: (place: Workspace) => Promise<void>;
}

/** Somebody who is signed in opened the link of an invitation. */
export function InvitationDialog({ email, onJoined }: InvitationDialogProps) {
  const text = useAccountText();
  const common = useText();
  const [secret, setSecret] = useState(() => linkSecret(location.hash));
  const work = useMutation({
    mutationFn: async (token: string) => {
      const place = await workspaces.join(token);
      forgetLinkSecret();
      await onJoined(place);
    },
  });
  if (secret?.kind !== 'invitation') return null;
  const close = (): void => {
    forgetLinkSecret();
    setSecret(null);
  };
  return (
    <Dialog title={text.joinTitle} onClose={close}>
      <p className="pb-5 text-soft">{text.joinHint(email)}</p>
      {work.error && <ErrorNote error={work.error} />}
      <div className="flex justify-end gap-2 pt-3">
        <Button onClick={close}>{common.cancel}</Button>
        <Button
          look="primary"
          data-autofocus
          disabled={work.isPending}
          onClick={() => work.mutate(secret.token)}
        >
          {text.join}
        </Button>
      </div>
    </Dialog>
  );
}
