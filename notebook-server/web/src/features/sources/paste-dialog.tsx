import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { sources } from '@/api/endpoints';
import type { Id } from '@/api/types';
import { useText } from '@/i18n';
import { makeReal } from '@/state/drafts';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { ErrorNote } from '@/ui/feedback';
import { Field, TextField } from '@/ui/field';
import { putChanges } from './queries';

export function PasteDialog({ notebook, onClose }: { notebook: Id; onClose: () => void }) {
  const text = useText();
  const client = useQueryClient();
  const [name, setName] = useState<string>(text.pasteDefault);
  const [body, setBody] = useState('');
  const work = useMutation({
    mutationFn: async () => {
      await makeReal(notebook);
      return sources.paste(notebook, { name: name.trim(), text: body });
    },
    onSuccess: (source) => {
      putChanges(client, notebook, [{ kind: 'source', source }]);
      onClose();
    },
  });
  const ready = name.trim() !== '' && body.trim() !== '';
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (ready) work.mutate();
  };
  return (
    <Dialog title={text.pasteTitle} onClose={onClose} wide>
      <form onSubmit={submit} className="grid gap-4">
        <Field
          label={text.pasteName}
          value={name}
          maxLength={200}
          onChange={(event) => setName(event.target.value)}
        />
        <TextField
          label={text.pasteBody}
          rows={12}
          value={body}
          data-autofocus
          onChange={(event) => setBody(event.target.value)}
        />
        {work.error && <ErrorNote error={work.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{text.cancel}</Button>
          <Button look="primary" type="submit" disabled={!ready || work.isPending}>
            {text.pasteAdd}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
