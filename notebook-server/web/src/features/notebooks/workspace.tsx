import { useQueryClient } from '@tanstack/react-query';
import { BookOpenText, FileStack, MessagesSquare, PanelRightOpen } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import { conversations } from '@/api/endpoints';
import type { Citation, Conversation, Id } from '@/api/types';
import { conversationsKey } from '@/features/chat/asking';
import { ChatPane } from '@/features/chat/chat-pane';
import { putChanges, useSourceEvents, useSources } from '@/features/sources/queries';
import { SourcesPane } from '@/features/sources/sources-pane';
import { onAccepted } from '@/features/sources/uploads';
import { ViewerPane } from '@/features/viewer/viewer-pane';
import { useText } from '@/i18n';
import { cx } from '@/lib/cx';
import { uuidV7 } from '@/lib/uuid';
import { makeReal } from '@/state/drafts';
import { IconButton } from '@/ui/button';
import { PaneBoundary } from '@/ui/feedback';
import type { Places, Reading } from './place';
import { type PaneName, PaneTabs } from './pane-tabs';

interface WorkspaceProps {
  notebook: Id;
  draft: boolean;
  conversation: Id;
  list: Conversation[];
  places: Places;
}

/** The panes of a notebook side by side; on a small screen one at a time. */
export function Workspace({ notebook, draft, conversation, list, places }: WorkspaceProps) {
  const text = useText();
  const client = useQueryClient();
  const { place, toConversation, read } = places;
  const [tab, setTab] = useState<PaneName>('chat');
  const [lastRead, setLastRead] = useState<Reading | null>(place.reading);
  const [failure, setFailure] = useState<unknown>(null);
  const query = useSources(notebook, draft);
  const items = query.data?.items ?? [];
  useSourceEvents(notebook, draft);
  useEffect(
    () => onAccepted((source) => putChanges(client, source.notebook, [{ kind: 'source', source }])),
    [client],
  );

  // A choice counts at once; the server's list takes over again when it has answered.
  const [choice, setChoice] = useState<{ of: Id; ids: readonly Id[] } | null>(null);
  const stored = list.find((each) => each.id === conversation)?.excluded_sources ?? [];
  const excluded = choice?.of === conversation ? choice.ids : stored;
  const exclude = async (ids: Id[]): Promise<void> => {
    const mine = { of: conversation, ids };
    setFailure(null);
    setChoice(mine);
    try {
      await makeReal(notebook);
      await conversations.create(notebook, { id: conversation });
      await conversations.patch(conversation, { excluded_sources: ids });
    } finally {
      await client.invalidateQueries({ queryKey: conversationsKey(notebook) });
      setChoice((now) => (now === mine ? null : now));
    }
    if (place.conversation !== conversation) toConversation(conversation, true);
  };
  const open = useCallback(
    (reading: Reading | null) => {
      read(reading);
      if (reading) setLastRead(reading);
      setTab(reading ? 'reader' : 'chat');
    },
    [read],
  );
  const openCitation = useCallback(
    (citation: Citation) => open({ source: citation.source, span: citation.span }),
    [open],
  );
  const reading = place.reading;
  const shown = (name: PaneName): string => (tab === name ? '' : 'max-md:hidden');
  const pane = 'min-h-0 min-w-0 overflow-hidden bg-sheet md:rounded-2xl md:border md:border-line';

  return (
    <>
      <main
        className={cx(
          'grid min-h-0 flex-1 gap-2.5 md:px-2.5 md:pb-2.5',
          reading
            ? 'md:grid-cols-2 xl:grid-cols-[18.5rem_minmax(24rem,1fr)_minmax(26rem,0.92fr)]'
            : 'md:grid-cols-[17rem_minmax(0,1fr)] lg:grid-cols-[18.5rem_minmax(0,1fr)_auto]',
        )}
      >
        <div className={cx(pane, shown('sources'), reading && 'md:max-xl:hidden')}>
          <PaneBoundary>
            <SourcesPane
              notebook={notebook}
              items={items}
              loading={query.isLoading}
              error={query.error ?? failure}
              excluded={excluded}
              reading={reading?.source ?? null}
              onExclude={(ids) => void exclude(ids).catch(setFailure)}
              onOpen={(source) => open({ source, span: null })}
            />
          </PaneBoundary>
        </div>
        <div className={cx(pane, shown('chat'))}>
          <PaneBoundary>
            <ChatPane
              key={conversation}
              notebook={notebook}
              conversation={conversation}
              list={list}
              sources={items}
              onOpenConversation={toConversation}
              onNewConversation={() => toConversation(uuidV7())}
              onAsked={() => {
                if (place.conversation !== conversation) toConversation(conversation, true);
              }}
              onCitation={openCitation}
            />
          </PaneBoundary>
        </div>
        {reading ? (
          <div className={cx(pane, shown('reader'))}>
            <PaneBoundary key={reading.source}>
              <ViewerPane
                reading={reading}
                source={items.find((source) => source.id === reading.source) ?? null}
                onRead={open}
              />
            </PaneBoundary>
          </div>
        ) : (
          <>
            {lastRead && (
              <aside className="hidden w-12 justify-center rounded-2xl border border-line bg-sheet pt-2.5 lg:flex">
                <IconButton label={text.openReader} onClick={() => open(lastRead)}>
                  <PanelRightOpen size={18} aria-hidden className="rtl:-scale-x-100" />
                </IconButton>
              </aside>
            )}
            <p className={cx('p-10 text-center text-soft md:hidden', tab !== 'reader' && 'hidden')}>
              {text.readerEmpty}
            </p>
          </>
        )}
      </main>
      <PaneTabs
        current={tab}
        onSelect={setTab}
        tabs={[
          { name: 'sources', label: text.sources, icon: FileStack },
          { name: 'chat', label: text.chat, icon: MessagesSquare },
          { name: 'reader', label: text.reader, icon: BookOpenText },
        ]}
      />
    </>
  );
}
