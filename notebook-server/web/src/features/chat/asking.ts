import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { conversations, runs } from '@/api/endpoints';
import { Problem } from '@/api/problem';
import type { Id, Message, Page, Run } from '@/api/types';
import { uuidV7 } from '@/lib/uuid';
import { makeReal } from '@/state/drafts';
import { research } from '@/state/preferences';
import { unchoose } from './choices';
import { messagesKey, runsKey } from './thread';

export type Request =
  { kind: 'ask'; question: string; parent: Id | null } | { kind: 'regenerate'; question: Id };

export const conversationsKey = (notebook: Id): readonly unknown[] => ['conversations', notebook];

type Pages = { pages: Page<Message>[]; pageParams: (string | null)[] };

/** Tells the other tabs of this browser that a conversation has a new run. */
const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('notebook.runs');

/** Opens runs in a conversation, making notebook and conversation real first. */
export function useAsk(notebook: Id, conversation: Id) {
  const client = useQueryClient();
  useEffect(() => {
    const heard = (event: MessageEvent<unknown>): void => {
      if (event.data !== conversation) return;
      void client.invalidateQueries({ queryKey: messagesKey(conversation) });
      void client.invalidateQueries({ queryKey: runsKey(conversation) });
    };
    channel?.addEventListener('message', heard);
    return () => channel?.removeEventListener('message', heard);
  }, [client, conversation]);

  return useMutation({
    // The key goes with the request: sent again after a lost reply, it makes no second run.
    mutationFn: async ({ request, key }: { request: Request; key: string }) => {
      const mode = research.get() ? 'research' : 'answer';
      if (request.kind === 'regenerate') {
        return runs.open(conversation, key, { regenerate: request.question, mode });
      }
      await makeReal(notebook);
      await conversations.create(notebook, { id: conversation });
      return runs.open(conversation, key, { question: request.question, parent: request.parent, mode });
    },
    // What the policy refuses it refuses again.
    retry: (count, error) => count < 2 && !(error instanceof Problem && error.code === 'question_refused'),
    retryDelay: 800,
    onSuccess: (run, { request }) => {
      unchoose(conversation, request.kind === 'ask' ? request.parent : request.question);
      if (request.kind === 'ask') {
        const question = questionOf(run, request.question, request.parent);
        client.setQueryData<Pages>(messagesKey(conversation), (before) => withMessage(before, question));
      }
      client.setQueryData<{ items: Run[] }>(runsKey(conversation), (before) => ({
        items: [run, ...(before?.items ?? []).filter((each) => each.id !== run.id)],
      }));
      channel?.postMessage(conversation);
      void client.invalidateQueries({ queryKey: conversationsKey(notebook) });
      void client.invalidateQueries({ queryKey: messagesKey(conversation) });
    },
  });
}

export const newKey = uuidV7;

/** The question as the server stores it, to show before the list is fetched again. */
const questionOf = (run: Run, text: string, parent: Id | null): Message => ({
  id: run.question,
  conversation: run.conversation,
  parent,
  role: 'user',
  text,
  citations: [],
  dropped_citations: 0,
  run: null,
  model: null,
  usage: null,
  timings: [],
  warnings: [],
  partial: false,
  created_at: run.created_at,
});

function withMessage(before: Pages | undefined, message: Message): Pages {
  const [first, ...rest] = before?.pages ?? [];
  const items = (first?.items ?? []).filter((each) => each.id !== message.id);
  return {
    pages: [{ items: [message, ...items], next: first?.next ?? null }, ...rest],
    pageParams: before?.pageParams ?? [null],
  };
}
