import { useQueryClient } from '@tanstack/react-query';
import { type KeyboardEvent, useState } from 'react';
import type { Notebook } from '@/api/types';
import { useText } from '@/i18n';
import { useMay } from '@/state/session';
import { changeNotebook } from './queries';

/** The notebook's name in the bar; press to change it in place. */
export function NotebookTitle({ notebook }: { notebook: Notebook }) {
  const text = useText();
  const client = useQueryClient();
  const [name, setName] = useState<string | null>(null);
  const mayWrite = useMay('notebook.write');
  const keep = (): void => {
    const next = name?.trim() ?? '';
    setName(null);
    if (next !== '' && next !== notebook.name) void changeNotebook(client, notebook.id, { name: next });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') keep();
    if (event.key === 'Escape') setName(null);
  };
  if (!mayWrite) {
    return <h1 className="min-w-0 truncate px-2 py-1 font-serif text-lg font-semibold">{notebook.name}</h1>;
  }
  if (name !== null) {
    return (
      <input
        autoFocus
        aria-label={text.renameNotebook}
        value={name}
        maxLength={200}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setName(event.target.value)}
        onBlur={keep}
        onKeyDown={onKeyDown}
        className="w-full max-w-lg rounded-lg bg-raised px-2 py-1 font-serif text-lg font-semibold"
      />
    );
  }
  return (
    <h1 className="min-w-0">
      <button
        type="button"
        title={text.renameNotebook}
        onClick={() => setName(notebook.name)}
        className="block max-w-full truncate rounded-lg px-2 py-1 text-start font-serif text-lg font-semibold hover:bg-wash"
      >
        {notebook.name}
      </button>
    </h1>
  );
}
