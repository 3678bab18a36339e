import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { notebooks, sources } from '@/api/endpoints';
import { readStream } from '@/api/sse/reader';
import type { Id, Source } from '@/api/types';
import { dictionary } from '@/i18n';
import { announce } from '@/state/announcer';
import { reportStream } from '@/state/connection';
import { language } from '@/state/preferences';
import { frameBatcher } from '@/state/runs/frames';

type Change = { kind: 'source'; source: Source } | { kind: 'deleted'; id: Id };
type List = { items: Source[] };

const listKey = (notebook: Id): readonly unknown[] => ['sources', notebook];

export const useSources = (notebook: Id, draft: boolean) =>
  useQuery({ queryKey: listKey(notebook), queryFn: () => sources.list(notebook), enabled: !draft });

/** The list after some changes; the newest state of each source wins, oldest source first. */
export function applyChanges(items: readonly Source[], changes: readonly Change[]): Source[] {
  const byId = new Map(items.map((source) => [source.id, source]));
  for (const change of changes) {
    if (change.kind === 'deleted') byId.delete(change.id);
    else if ((byId.get(change.source.id)?.revision ?? 0) <= change.source.revision) {
      byId.set(change.source.id, change.source);
    }
  }
  return [...byId.values()].sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
}

export function putChanges(client: QueryClient, notebook: Id, changes: readonly Change[]): void {
  const before = client.getQueryData<List>(listKey(notebook))?.items ?? [];
  announceEnds(before, changes);
  client.setQueryData<List>(listKey(notebook), { items: applyChanges(before, changes) });
}

function announceEnds(before: readonly Source[], changes: readonly Change[]): void {
  const text = dictionary(language.get());
  for (const change of changes) {
    if (change.kind === 'deleted') continue;
    const old = before.find((source) => source.id === change.source.id);
    if (!old) continue;
    if (!old.keywords_ready && change.source.keywords_ready) announce(text.sourceReady(change.source.name));
    if (old.stage !== 'failed' && change.source.stage === 'failed')
      announce(text.sourceFailed(change.source.name));
  }
}

/** Follows the notebook's sources while the page shows it. */
export function useSourceEvents(notebook: Id, draft: boolean): void {
  const client = useQueryClient();
  useEffect(() => {
    if (draft) return;
    const abort = new AbortController();
    const name = `sources ${notebook}`;
    const batch = frameBatcher<Change>((changes) => putChanges(client, notebook, changes));
    void readStream({
      path: notebooks.events(notebook),
      signal: abort.signal,
      onEvent: (event) => {
        if (event.name === 'source') batch.push({ kind: 'source', source: JSON.parse(event.data) as Source });
        if (event.name === 'source_deleted') {
          batch.push({ kind: 'deleted', id: (JSON.parse(event.data) as { id: Id }).id });
        }
        return false;
      },
      onState: (state) => reportStream(name, state),
    })
      // A notebook that is gone shows as such by its own query.
      .catch(() => undefined)
      .finally(() => reportStream(name, 'closed'));
    return () => abort.abort();
  }, [client, notebook, draft]);
}
