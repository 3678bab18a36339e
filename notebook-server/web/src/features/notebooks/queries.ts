import { type QueryClient, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { notebooks } from '@/api/endpoints';
import { Problem } from '@/api/problem';
import type { Id, Notebook, NotebookSettings } from '@/api/types';
import { useText } from '@/i18n';
import { drafts, editDraft, notebookOfDraft } from '@/state/drafts';
import { useSelected } from '@/state/store';

export const notebookKey = (id: Id): readonly unknown[] => ['notebook', id];

export const useNotebooks = (archived: boolean) =>
  useInfiniteQuery({
    queryKey: ['notebooks', { archived }],
    queryFn: ({ pageParam }) => notebooks.list(archived, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });

/** A notebook from the server, or the draft of that id. */
export function useNotebook(id: Id): { notebook: Notebook | null; draft: boolean; error: Error | null } {
  const text = useText();
  const draft = useSelected(drafts, (all) => all[id] ?? null);
  const [first] = useState(draft);
  const query = useQuery({
    queryKey: notebookKey(id),
    queryFn: () => notebooks.get(id),
    enabled: !draft,
    // A draft that becomes real stays on the page meanwhile, with what is open in it.
    placeholderData: () => (first?.id === id ? notebookOfDraft(first, text.untitled) : undefined),
    retry: (count, error) => !(error instanceof Problem && error.status === 404) && count < 2,
  });
  if (draft) return { notebook: notebookOfDraft(draft, text.untitled), draft: true, error: null };
  return { notebook: query.data ?? null, draft: false, error: query.error };
}

export type NotebookChange = { name?: string; archived?: boolean; settings?: NotebookSettings };

/** Changes a notebook wherever it lives: on the server, or still a draft. */
export async function changeNotebook(client: QueryClient, id: Id, change: NotebookChange): Promise<void> {
  if (drafts.get()[id]) {
    editDraft(id, {
      ...(change.name === undefined ? {} : { name: change.name }),
      ...(change.settings === undefined ? {} : { settings: change.settings }),
    });
    return;
  }
  client.setQueryData(notebookKey(id), await notebooks.patch(id, change));
  await client.invalidateQueries({ queryKey: ['notebooks'] });
}

export async function removeNotebook(client: QueryClient, id: Id): Promise<void> {
  await notebooks.remove(id);
  client.removeQueries({ queryKey: notebookKey(id) });
  await client.invalidateQueries({ queryKey: ['notebooks'] });
}
