import type { Id, NotebookSettings } from '@/api/types';
import { notebooks } from '@/api/endpoints';
import type { Notebook } from '@/api/types';
import { emptyModelSettings } from '@/api/types';
import { personalStore } from './saved';

/** A notebook that the server does not know yet: no source, no message. */
export interface Draft {
  id: Id;
  name: string | null;
  settings: NotebookSettings | null;
  createdAt: number;
}

type Drafts = Record<Id, Draft>;
const isDrafts = (value: unknown): value is Drafts => typeof value === 'object' && value !== null;

export const drafts = personalStore<Drafts>('notebook.drafts', {}, isDrafts);

const KEPT = 20;

export function openDraft(id: Id): Draft {
  const draft: Draft = { id, name: null, settings: null, createdAt: Date.now() };
  drafts.set((before) => {
    const newest = Object.values(before)
      .sort((a, b) => b.createdAt - a.createdAt)
      .slice(0, KEPT - 1);
    return Object.fromEntries([draft, ...newest].map((each) => [each.id, each]));
  });
  return draft;
}

export const editDraft = (id: Id, change: Partial<Draft>): void =>
  drafts.set((before) => {
    const draft = before[id];
    return draft ? { ...before, [id]: { ...draft, ...change } } : before;
  });

export const dropDraft = (id: Id): void =>
  drafts.set((before) => {
    if (!before[id]) return before;
    const after = { ...before };
    delete after[id];
    return after;
  });

/** A draft in the shape of a notebook, so that the page has one case to draw. */
export const notebookOfDraft = (draft: Draft, untitled: string): Notebook => ({
  id: draft.id,
  name: draft.name ?? untitled,
  named_by_user: draft.name !== null,
  archived: false,
  settings: draft.settings ?? { model: emptyModelSettings, allow_general_knowledge: false },
  created_at: draft.createdAt,
  updated_at: draft.createdAt,
});

const underway = new Map<Id, Promise<void>>();

/** Makes a draft real on the server; once, however often it is called. A real notebook is left alone. */
export function makeReal(id: Id): Promise<void> {
  const draft = drafts.get()[id];
  if (!draft) return Promise.resolve();
  const pending = underway.get(id);
  if (pending) return pending;
  const made = notebooks
    .create({
      id,
      ...(draft.name === null ? {} : { name: draft.name }),
      ...(draft.settings ? { settings: draft.settings } : {}),
    })
    .then(() => dropDraft(id))
    .finally(() => underway.delete(id));
  underway.set(id, made);
  return made;
}
