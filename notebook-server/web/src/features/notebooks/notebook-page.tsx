import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { conversations } from '@/api/endpoints';
import { Problem } from '@/api/problem';
import type { Id } from '@/api/types';
import { conversationsKey } from '@/features/chat/asking';
import { useText } from '@/i18n';
import { uuidV7 } from '@/lib/uuid';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { NotebookTitle } from './notebook-title';
import { usePlace } from './place';
import { useNotebook } from './queries';
import { TopBar } from './top-bar';
import { Workspace } from './workspace';

export function NotebookPage({ id }: { id: Id }) {
  const text = useText();
  const { notebook, draft, error } = useNotebook(id);
  const places = usePlace();
  const list = useQuery({
    queryKey: conversationsKey(id),
    queryFn: () => conversations.list(id),
    enabled: !draft && notebook !== null,
  });
  // Until its first question a conversation has an id only here.
  const [fresh] = useState(uuidV7);
  // A draft had none: nothing needs to be known before its panes are shown, and they stay when it becomes real.
  const [wasDraft] = useState(draft);
  const items = list.data?.items;
  const conversation = places.place.conversation ?? items?.[0]?.id ?? fresh;
  const name = notebook?.name;
  useEffect(() => {
    document.title = name ? `${name} · ${text.appName}` : text.appName;
  }, [name, text]);

  if (error instanceof Problem && error.status === 404) {
    return (
      <>
        <TopBar />
        <main className="px-6 py-24 text-center">
          <h1 className="font-serif text-3xl font-semibold">{text.notebookGone}</h1>
          <p className="pt-2 pb-6 text-soft">{text.notebookGoneHint}</p>
          <Link href="/" className="text-accent underline underline-offset-4">
            {text.toHome}
          </Link>
        </main>
      </>
    );
  }
  return (
    <div className="flex h-dvh flex-col overflow-hidden">
      <a
        href="#question"
        className="absolute start-3 top-2 z-50 -translate-y-20 rounded-lg bg-ink px-4 py-2 text-paper focus:translate-y-0"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById('question')?.focus();
        }}
      >
        {text.skip}
      </a>
      <TopBar {...(notebook ? { notebook } : {})}>{notebook && <NotebookTitle notebook={notebook} />}</TopBar>
      {error && <ErrorNote error={error} />}
      {notebook && (draft || wasDraft || items || list.error) ? (
        <Workspace
          notebook={id}
          draft={draft}
          conversation={conversation}
          list={items ?? []}
          places={places}
        />
      ) : (
        !error && <Spinner label={text.loading} className="flex-1 justify-center" />
      )}
    </div>
  );
}
