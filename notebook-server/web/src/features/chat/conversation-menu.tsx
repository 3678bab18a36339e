import { useQueryClient } from '@tanstack/react-query';
import {
  ChevronDown,
  Check,
  Ellipsis,
  FileText,
  FileType,
  MessageSquarePlus,
  Pencil,
  Trash2,
} from 'lucide-react';
import { useState } from 'react';
import { conversations } from '@/api/endpoints';
import type { Conversation, Id } from '@/api/types';
import { ExportDialog } from '@/features/exports/export-dialog';
import { useText } from '@/i18n';
import { useMay } from '@/state/session';
import { IconButton } from '@/ui/button';
import { Confirm, Rename } from '@/ui/confirm';
import { Menu, type MenuItem } from '@/ui/menu';
import { conversationsKey } from './asking';

interface ConversationMenuProps {
  notebook: Id;
  items: Conversation[];
  current: Id;
  /** The last stored message of the branch that is shown. */
  through: Id | null;
  onOpen: (id: Id) => void;
  onNew: () => void;
}

/** Which conversation is shown; others to switch to; new, rename, delete. */
export function ConversationMenu({
  notebook,
  items,
  current,
  through,
  onOpen,
  onNew,
}: ConversationMenuProps) {
  const text = useText();
  const client = useQueryClient();
  const [dialog, setDialog] = useState<'rename' | 'delete' | 'markdown' | 'pdf' | null>(null);
  const mayAsk = useMay('chat');
  const mayExport = useMay('export');
  const shown = items.find((each) => each.id === current);
  const titleOf = (each: Conversation | undefined): string => each?.title || text.conversationUntitled;
  const refresh = (): Promise<void> => client.invalidateQueries({ queryKey: conversationsKey(notebook) });
  const exports: MenuItem[] = [
    {
      label: text.exportMarkdown,
      icon: <FileText size={16} aria-hidden />,
      disabled: through === null,
      onSelect: () => setDialog('markdown'),
    },
    {
      label: text.exportPdf,
      icon: <FileType size={16} aria-hidden />,
      disabled: through === null,
      onSelect: () => setDialog('pdf'),
    },
  ];
  const rename: MenuItem = {
    label: text.rename,
    icon: <Pencil size={16} aria-hidden />,
    onSelect: () => setDialog('rename'),
  };
  const remove: MenuItem = {
    label: text.delete,
    icon: <Trash2 size={16} aria-hidden />,
    danger: true,
    onSelect: () => setDialog('delete'),
  };
  const actions = [...(mayAsk ? [rename] : []), ...(mayExport ? exports : []), ...(mayAsk ? [remove] : [])];
  return (
    <div className="flex min-w-0 flex-1 items-center gap-0.5">
      <div className="min-w-0 flex-1">
        {items.length > 0 ? (
          <Menu
            label={`${text.conversations}: ${titleOf(shown)}`}
            align="start"
            className="flex h-8 max-w-full min-w-0 items-center gap-1.5 rounded-lg px-2 font-medium hover:bg-wash"
            trigger={
              <>
                <span className="truncate">{titleOf(shown)}</span>
                <ChevronDown size={15} className="shrink-0 text-faint" aria-hidden />
              </>
            }
            items={items.map((each) => ({
              label: titleOf(each),
              icon: (
                <Check
                  size={15}
                  className={each.id === current ? 'shrink-0 text-accent' : 'invisible shrink-0'}
                  aria-hidden
                />
              ),
              onSelect: () => onOpen(each.id),
            }))}
          />
        ) : (
          <h2 className="px-2 font-medium">{text.chat}</h2>
        )}
      </div>
      {shown && actions.length > 0 && (
        <Menu
          label={text.actionsFor(titleOf(shown))}
          trigger={<Ellipsis size={17} aria-hidden />}
          items={actions}
        />
      )}
      {mayAsk && (
        <IconButton label={text.newConversation} onClick={onNew} disabled={!shown}>
          <MessageSquarePlus size={17} aria-hidden />
        </IconButton>
      )}
      {(dialog === 'markdown' || dialog === 'pdf') && shown && (
        <ExportDialog
          title={dialog === 'pdf' ? text.exportPdf : text.exportMarkdown}
          start={() => conversations.export(shown.id, { format: dialog, ...(through ? { through } : {}) })}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === 'rename' && shown && (
        <Rename
          title={text.renameConversation}
          value={titleOf(shown)}
          onSave={async (title) => {
            await conversations.patch(shown.id, { title });
            await refresh();
          }}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === 'delete' && shown && (
        <Confirm
          title={text.deleteConversation}
          hint={text.deleteConversationHint(titleOf(shown))}
          action={text.delete}
          onConfirm={async () => {
            await conversations.remove(shown.id);
            onNew();
            await refresh();
          }}
          onClose={() => setDialog(null)}
        />
      )}
    </div>
  );
}
