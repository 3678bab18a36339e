import type { Id } from '@/api/types';
import { createStore } from '@/state/store';
import { type Choices, keyOf } from './tree';

/** Which branch is shown in each conversation, where it is not the newest. */
export const choicesOf = createStore<Readonly<Record<Id, Choices>>>({});

export const choose = (conversation: Id, parent: Id | null, child: Id): void =>
  choicesOf.set((all) => ({ ...all, [conversation]: { ...all[conversation], [keyOf(parent)]: child } }));

/** Lets the newest branch show again below a message, when a new one is made there. */
export const unchoose = (conversation: Id, parent: Id | null): void =>
  choicesOf.set((all) => {
    const { [keyOf(parent)]: gone, ...rest } = all[conversation] ?? {};
    return gone === undefined ? all : { ...all, [conversation]: rest };
  });
