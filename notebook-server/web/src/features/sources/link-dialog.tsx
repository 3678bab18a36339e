import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { sources } from '@/api/endpoints';
import type { Id } from '@/api/types';
import { useText } from '@/i18n';
import { makeReal } from '@/state/drafts';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { ErrorNote } from '@/ui/feedback';
import { Field } from '@/ui/field';
import { putChanges } from './queries';

/** Adds a page of the web by its address. Whether it could be fetched is shown by its row. */
export function LinkDialog({ notebook, onClose }: { notebook: Id; onClose: () => void }) {
  const text = useText();
  const client = useQueryClient();
  const [address, setAddress] = useState('');
  const work = useMutation({
    mutationFn: async () => {
      await makeReal(notebook);
      return sources.link(notebook, { url: wholeAddress(address) });
    },
    onSuccess: (source) => {
      putChanges(client, notebook, [{ kind: 'source', source }]);
      onClose();
    },
  });
  const ready = address.trim() !== '';
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (ready) work.mutate();
  };
  return (
    <Dialog title={text.linkTitle} onClose={onClose}>
      <form onSubmit={submit} className="grid gap-4">
        <Field
          label={text.linkAddress}
          inputMode="url"
          placeholder="https://"
          value={address}
          maxLength={2048}
          data-autofocus
          onChange={(event) => setAddress(event.target.value)}
        />
        <p className="text-[13px] text-soft">{text.linkHint}</p>
        {work.error && <ErrorNote error={work.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{text.cancel}</Button>
          <Button look="primary" type="submit" disabled={!ready || work.isPending}>
            {text.linkAdd}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** What people write of an address, with the scheme that they leave out. */
function wholeAddress(written: string): string {
  const address = written.trim();
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `https://${address}`;
}
