import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useText } from '@/i18n';
import { Button } from './button';
import { Dialog } from './dialog';
import { ErrorNote } from './feedback';
import { Field } from './field';

interface ConfirmProps {
  title: string;
  hint: string;
  action: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something is lost. */
export function Confirm({ title, hint, action, onConfirm, onClose }: ConfirmProps) {
  const text = useText();
  const work = useMutation({ mutationFn: onConfirm, onSuccess: onClose });
  return (
    <Dialog title={title} onClose={onClose}>
      <p className="pb-5 text-soft">{hint}</p>
      {work.error && <ErrorNote error={work.error} />}
      <div className="flex justify-end gap-2 pt-1">
        <Button onClick={onClose}>{text.cancel}</Button>
        <Button look="danger" disabled={work.isPending} onClick={() => work.mutate()}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}

interface RenameProps {
  title: string;
  hint?: string;
  /** What the button says; to save, when it is not given. */
  action?: string;
  value: string;
  onSave: (name: string) => Promise<unknown>;
  onClose: () => void;
}

/** Asks for a new name. */
export function Rename({ title, hint, action, value, onSave, onClose }: RenameProps) {
  const text = useText();
  const [name, setName] = useState(value);
  const work = useMutation({ mutationFn: () => onSave(name.trim()), onSuccess: onClose });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (name.trim() !== '') work.mutate();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit} className="grid gap-4">
        <Field
          label={text.name}
          hint={hint}
          value={name}
          maxLength={200}
          onChange={(event) => setName(event.target.value)}
          onFocus={(event) => event.target.select()}
          data-autofocus
        />
        {work.error && <ErrorNote error={work.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{text.cancel}</Button>
          <Button look="primary" type="submit" disabled={work.isPending || name.trim() === ''}>
            {action ?? text.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
