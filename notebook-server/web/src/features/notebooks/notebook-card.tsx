import { useQueryClient } from '@tanstack/react-query';
import { Archive, ArchiveRestore, Download, Ellipsis, Pencil, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'wouter';
import { notebooks } from '@/api/endpoints';
import type { Notebook } from '@/api/types';
import { ExportDialog } from '@/features/exports/export-dialog';
import { useText } from '@/i18n';
import { formatAgo } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { useMay } from '@/state/session';
import { Confirm, Rename } from '@/ui/confirm';
import { Menu, type MenuItem } from '@/ui/menu';
import { changeNotebook, removeNotebook } from './queries';

export function NotebookCard({ notebook }: { notebook: Notebook }) {
  const text = useText();
  const locale = useLanguage();
  const client = useQueryClient();
  const [dialog, setDialog] = useState<'rename' | 'delete' | 'export' | null>(null);
  const close = (): void => setDialog(null);
  const { id, name, archived } = notebook;
  const write: MenuItem[] = [
    { label: text.rename, icon: <Pencil size={16} aria-hidden />, onSelect: () => setDialog('rename') },
    {
      label: archived ? text.unarchive : text.archive,
      icon: archived ? <ArchiveRestore size={16} aria-hidden /> : <Archive size={16} aria-hidden />,
      onSelect: () => void changeNotebook(client, id, { archived: !archived }),
    },
  ];
  const takeOut: MenuItem = {
    label: text.exportNotebook,
    icon: <Download size={16} aria-hidden />,
    onSelect: () => setDialog('export'),
  };
  const remove: MenuItem = {
    label: text.delete,
    icon: <Trash2 size={16} aria-hidden />,
    danger: true,
    onSelect: () => setDialog('delete'),
  };
  const items = [
    ...(useMay('notebook.write') ? write : []),
    ...(useMay('export') ? [takeOut] : []),
    ...(useMay('notebook.delete') ? [remove] : []),
  ];
  return (
    <li className="group relative rounded-2xl border border-line bg-sheet transition-shadow focus-within:shadow-float hover:shadow-float">
      <Link
        href={`/n/${id}`}
        className="flex h-full min-h-36 flex-col justify-between rounded-2xl p-5 pe-14 focus-visible:rounded-2xl"
      >
        <span className="line-clamp-3 font-serif text-xl leading-snug font-semibold text-balance">
          {name}
        </span>
        <span className="pt-4 text-xs text-faint">
          {text.changed(formatAgo(notebook.updated_at, Date.now(), locale))}
        </span>
      </Link>
      {items.length > 0 && (
        <div className="absolute end-3 top-3.5">
          <Menu label={text.actionsFor(name)} trigger={<Ellipsis size={18} aria-hidden />} items={items} />
        </div>
      )}
      {dialog === 'export' && (
        <ExportDialog title={text.exportNotebook} start={() => notebooks.export(id)} onClose={close} />
      )}
      {dialog === 'rename' && (
        <Rename
          title={text.renameNotebook}
          value={name}
          onSave={(next) => changeNotebook(client, id, { name: next })}
          onClose={close}
        />
      )}
      {dialog === 'delete' && (
        <Confirm
          title={text.deleteNotebook}
          hint={text.deleteNotebookHint(name)}
          action={text.delete}
          onConfirm={() => removeNotebook(client, id)}
          onClose={close}
        />
      )}
    </li>
  );
}
