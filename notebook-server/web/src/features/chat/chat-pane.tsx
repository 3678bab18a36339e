import { useCallback, useMemo, useState } from 'react';
import { runs } from '@/api/endpoints';
import { asProblem } from '@/api/problem';
import type { Citation, Conversation, Id, Source } from '@/api/types';
import { placeParams } from '@/features/notebooks/place';
import { mediumOf, timeOf } from '@/features/sources/kinds';
import { useText } from '@/i18n';
import { useMay } from '@/state/session';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { Answer } from './answer';
import { useAnnouncedRun } from './announcing';
import { type Request, newKey, useAsk } from './asking';
import { choose } from './choices';
import { CitationCard } from './citation-card';
import { CitationHostContext } from './citation-context';
import { Composer } from './composer';
import { ConversationMenu } from './conversation-menu';
import { MessageList } from './message-list';
import { Question } from './question';
import { RefusedNote } from './refused-note';
import { type Turn, useThread } from './thread';
import type { PathNode } from './tree';
import { Welcome } from './welcome';

interface ChatPaneProps {
  notebook: Id;
  conversation: Id;
  list: Conversation[];
  sources: Source[];
  onOpenConversation: (id: Id) => void;
  onNewConversation: () => void;
  onAsked: () => void;
  onCitation: (citation: Citation) => void;
}

export function ChatPane(props: ChatPaneProps) {
  const { notebook, conversation, list, sources, onAsked, onCitation } = props;
  const text = useText();
  const exists = list.some((each) => each.id === conversation);
  const thread = useThread(conversation, exists);
  const mayAsk = useMay('chat');
  const ask = useAsk(notebook, conversation);
  const [stopError, setStopError] = useState<unknown>(null);
  const { active, leaf } = thread;
  useAnnouncedRun(active);

  const start = (request: Request): void => {
    onAsked();
    ask.mutate({ request, key: newKey() });
  };
  const stop = (): void => {
    if (!active) return;
    setStopError(null);
    runs.stop(active.id).catch(setStopError);
  };
  const sourceName = useCallback(
    (id: Id) => sources.find((source) => source.id === id)?.name ?? text.deletedSource,
    [sources, text],
  );
  const host = useMemo(
    () => ({
      sourceName,
      kindOf: (id: Id) => sources.find((source) => source.id === id)?.kind ?? '',
      partOf: ({ source, page }: Citation) => {
        if (page === null) return null;
        const kind = sources.find((each) => each.id === source)?.kind ?? '';
        return mediumOf(kind) === 'audio' ? text.atTime(timeOf(page)) : text.page(page);
      },
      open: onCitation,
      href: ({ source, span }: Citation) =>
        `?${new URLSearchParams(placeParams({ conversation, reading: { source, span } })).toString()}`,
    }),
    [sourceName, sources, text, onCitation, conversation],
  );
  const locked = active !== null || ask.isPending;
  const asked = ask.variables?.request;
  const pending = ask.isPending && asked?.kind === 'ask' ? asked : null;
  // What could not be asked stays in sight, and can be asked in other words.
  const failed = ask.error && asked?.kind === 'ask' ? asked : null;
  const problem = ask.error ? asProblem(ask.error) : null;
  const refused = problem?.code === 'question_refused' ? failed : null;

  const render = ({ node, siblings }: PathNode<Turn>) => {
    const onChoose = (id: Id): void => choose(conversation, node.parent, id);
    if (node.kind === 'stored' && node.message.role === 'user') {
      return (
        <Question
          message={node.message}
          siblings={siblings}
          locked={locked}
          onChoose={onChoose}
          onEdit={(question) => start({ kind: 'ask', question, parent: node.parent })}
        />
      );
    }
    return (
      <Answer
        turn={node}
        siblings={siblings}
        locked={locked}
        onChoose={onChoose}
        onRegenerate={() => node.parent && start({ kind: 'regenerate', question: node.parent })}
      />
    );
  };

  return (
    <CitationHostContext value={host}>
      <section aria-label={text.chat} className="flex h-full min-h-0 flex-col">
        <header className="flex h-12 items-center ps-3 pe-2.5 pt-1">
          <ConversationMenu
            notebook={notebook}
            items={list}
            current={conversation}
            through={thread.path.findLast(({ node }) => node.kind === 'stored')?.node.id ?? null}
            onOpen={props.onOpenConversation}
            onNew={props.onNewConversation}
          />
        </header>
        {thread.loading ? (
          <Spinner label={text.loading} className="flex-1 justify-center" />
        ) : thread.path.length === 0 && !pending && !ask.error ? (
          mayAsk ? (
            <Welcome sources={sources} />
          ) : (
            <div className="flex-1" />
          )
        ) : (
          <MessageList
            key={conversation}
            thread={thread}
            render={render}
            tail={
              <div className="pb-4">
                {pending && (
                  <Question
                    message={{ id: 'pending', text: pending.question }}
                    siblings={[]}
                    locked
                    onChoose={() => undefined}
                    onEdit={() => undefined}
                  />
                )}
                {failed && (
                  <Question
                    message={{ id: 'failed', text: failed.question }}
                    siblings={[]}
                    locked={locked}
                    onChoose={() => undefined}
                    onEdit={(question) => start({ ...failed, question })}
                  />
                )}
                {problem && refused && (
                  <RefusedNote key={refused.question} problem={problem} question={refused.question} />
                )}
                {ask.error && !refused && (
                  <ErrorNote error={ask.error} onRetry={() => ask.variables && ask.mutate(ask.variables)} />
                )}
                {stopError !== null && <ErrorNote error={stopError} />}
                {thread.error && <ErrorNote error={thread.error} />}
              </div>
            }
          />
        )}
        {mayAsk ? (
          <Composer
            busy={active !== null}
            sending={ask.isPending}
            onAsk={(question) => start({ kind: 'ask', question, parent: leaf })}
            onStop={stop}
          />
        ) : (
          <p className="px-6 pb-5 text-center text-sm text-faint">{text.readOnly}</p>
        )}
        <CitationCard />
      </section>
    </CitationHostContext>
  );
}
