import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo } from 'react';
import { conversations } from '@/api/endpoints';
import { type Id, type Message, type Run, isTerminal } from '@/api/types';
import { holdRun, runStore } from '@/state/runs/registry';
import { ended } from '@/state/runs/reducer';
import { type PathNode, activePath } from './tree';
import { choicesOf } from './choices';
import { useSelected, useStore } from '@/state/store';

/** A stored message, or an answer that is not stored (yet, or because it has no text). */
export type Turn = { id: Id; parent: Id | null } & (
  { kind: 'stored'; message: Message; run: Run | null } | { kind: 'live'; run: Run }
);

export interface Thread {
  path: PathNode<Turn>[];
  /** The last message of the shown path: what the next question follows. */
  leaf: Id | null;
  /** The run on the shown path that is not finished. */
  active: Run | null;
  loading: boolean;
  error: Error | null;
  more: () => void;
  hasMore: boolean;
}

export const messagesKey = (id: Id): readonly unknown[] => ['messages', id];
export const runsKey = (id: Id): readonly unknown[] => ['runs', id];

/** Everything that a conversation shows, with its unfinished runs being read. */
export function useThread(id: Id, exists: boolean): Thread {
  const messages = useInfiniteQuery({
    queryKey: messagesKey(id),
    queryFn: ({ pageParam }) => conversations.messages(id, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    enabled: exists,
  });
  const runs = useQuery({ queryKey: runsKey(id), queryFn: () => conversations.runs(id), enabled: exists });
  const choices = useSelected(choicesOf, (all) => all[id]) ?? none;
  const turns = useMemo(
    () => turnsOf(messages.data?.pages.flatMap((page) => page.items) ?? [], runs.data?.items ?? []),
    [messages.data, runs.data],
  );
  const path = useMemo(() => activePath(turns, choices), [turns, choices]);
  useReading(id, turns);

  const live = path.findLast(({ node }) => node.kind === 'live')?.node;
  const run = live?.kind === 'live' ? live.run : null;
  const running = useRunning(run);
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = messages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [fetchNextPage, hasNextPage, isFetchingNextPage]);
  return {
    path,
    leaf: path.at(-1)?.node.id ?? null,
    active: running ? run : null,
    loading: exists && messages.isPending,
    error: messages.error,
    more,
    hasMore: hasNextPage,
  };
}

const none = {};
const idle = runStore('none');

function useRunning(run: Run | null): boolean {
  const state = useStore(run ? runStore(run.id) : idle);
  return run !== null && !isTerminal(run.state) && !ended(state);
}

/** Stored messages, and an answer for every recent run whose answer is not among them. */
export function turnsOf(messages: readonly Message[], runs: readonly Run[]): Turn[] {
  const known = new Set(messages.map((message) => message.id));
  const stored = messages.map((message): Turn => ({
    id: message.id,
    parent: message.parent,
    kind: 'stored',
    message,
    run: runs.find((run) => run.answer === message.id) ?? null,
  }));
  const live = runs
    .filter((run) => !known.has(run.answer) && known.has(run.question))
    .map((run): Turn => ({ id: run.answer, parent: run.question, kind: 'live', run }));
  return [...stored, ...live];
}

/** Reads each run that stands for an answer, and fetches the stored answer when it ends. */
function useReading(conversation: Id, turns: readonly Turn[]): void {
  const client = useQueryClient();
  const ids = turns.flatMap((turn) => (turn.kind === 'live' ? [turn.run.id] : [])).join(' ');
  useEffect(() => {
    if (ids === '') return;
    const releases = ids.split(' ').map((run) => {
      const store = runStore(run);
      const refresh = (): void => {
        if (!ended(store.get())) return;
        leave();
        for (const key of [
          messagesKey(conversation),
          runsKey(conversation),
          ['conversations'],
          ['notebooks'],
          ['notebook'],
        ]) {
          void client.invalidateQueries({ queryKey: key });
        }
      };
      const leave = ended(store.get()) ? () => undefined : store.subscribe(refresh);
      const release = holdRun(run);
      return () => {
        leave();
        release();
      };
    });
    return () => {
      for (const release of releases) release();
    };
  }, [client, conversation, ids]);
}
