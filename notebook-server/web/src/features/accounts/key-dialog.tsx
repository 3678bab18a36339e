import { useState } from 'react';
import { keys } from '@/api/accounts';
import type { Permission } from '@/api/session';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { Choice, Field } from '@/ui/field';
import { CopyBox } from './copy-box';
import { useForm } from './form';

interface KeyDialogProps {
  /** A key may do nothing that its maker may not. */
  permissions: readonly Permission[];
  onMade: () => Promise<void>;
  onClose: () => void;
}

type Days = '30' | '90' | '365' | 'never';
const DAY = 86_400_000;

/** Makes a key, and shows its secret this once. */
export function KeyDialog({ permissions, onMade, onClose }: KeyDialogProps) {
  const text = useAccountText();
  const common = useText();
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<readonly Permission[]>(['notebook.read']);
  const [days, setDays] = useState<Days>('90');
  const [secret, setSecret] = useState<string | null>(null);
  const { form, busy, errorAt, note } = useForm({
    fields: ['name', 'scopes', 'expires_at'],
    send: async () => {
      const made = await keys.create({
        name: name.trim(),
        scopes: permissions.filter((each) => scopes.includes(each)),
        ...(days === 'never' ? {} : { expires_at: Date.now() + Number(days) * DAY }),
      });
      setSecret(made.secret);
      await onMade();
    },
  });
  if (secret !== null) {
    return (
      <Dialog key="secret" keep title={text.keyCreated} onClose={onClose}>
        <p className="pb-4 text-soft">{text.keyCreatedHint}</p>
        <CopyBox label={text.keyCreated} value={secret} />
        <div className="flex justify-end pt-2">
          <Button look="primary" onClick={onClose}>
            {text.done}
          </Button>
        </div>
      </Dialog>
    );
  }
  const toggle = (scope: Permission): void =>
    setScopes(scopes.includes(scope) ? scopes.filter((each) => each !== scope) : [...scopes, scope]);
  const options = (['30', '90', '365', 'never'] as const).map((value) => ({
    value,
    label: value === 'never' ? text.keyNever : text.keyDays(Number(value)),
  }));
  const wrong = errorAt('scopes') ?? errorAt('expires_at');
  return (
    <Dialog title={text.newKey} onClose={onClose}>
      <form {...form} className="grid gap-5">
        <Field
          label={common.name}
          name="name"
          maxLength={100}
          value={name}
          error={errorAt('name')}
          onChange={(event) => setName(event.target.value)}
          data-autofocus
        />
        <fieldset>
          <legend className="pb-2 text-sm font-medium">{text.keyScopes}</legend>
          <div className="grid gap-x-4 gap-y-2 sm:grid-cols-2">
            {permissions.map((scope) => (
              <label key={scope} className="flex items-center gap-2.5">
                <input
                  type="checkbox"
                  className="size-4 shrink-0 accent-accent"
                  checked={scopes.includes(scope)}
                  onChange={() => toggle(scope)}
                />
                <code className="font-mono text-xs">{scope}</code>
              </label>
            ))}
          </div>
        </fieldset>
        <Choice label={text.keyExpires} value={days} options={options} onChange={setDays} />
        {wrong && (
          <p role="alert" className="text-xs text-danger">
            {wrong}
          </p>
        )}
        {note}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button look="primary" type="submit" disabled={busy || name.trim() === '' || scopes.length === 0}>
            {text.create}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
