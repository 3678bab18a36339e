import { useEffect } from 'react';
import type { Run } from '@/api/types';
import { dictionary } from '@/i18n';
import { answerDictionary } from '@/i18n/answer';
import { researchDictionary } from '@/i18n/research';
import { announce } from '@/state/announcer';
import { language } from '@/state/preferences';
import { ended } from '@/state/runs/reducer';
import { runStore } from '@/state/runs/registry';
import { failureSentence } from './failure';

/** Tells screen readers when an answer begins, and reads it out whole when it has ended. */
export function useAnnouncedRun(run: Run | null): void {
  const id = run?.id ?? null;
  useEffect(() => {
    if (id === null) return;
    const store = runStore(id);
    announce(dictionary(language.get()).announceStart);
    let told = false;
    let asked = 0;
    return store.subscribe(() => {
      const now = store.get();
      const pending = now.questions.filter(({ state }) => state === 'pending').length;
      if (pending > asked) announce(researchDictionary(language.get()).announceAsking);
      asked = pending;
      if (told || !ended(now)) return;
      told = true;
      const text = dictionary(language.get());
      if (now.state === 'completed') announce(text.announceDone(now.text));
      else if (now.state === 'stopped') announce(text.announceStopped);
      else if (now.failure === null) announce(text.announceFailed(text.abandonedNote));
      else {
        const sentence = failureSentence(now.failure, now.model, answerDictionary(language.get()));
        announce(text.announceFailed(sentence));
      }
    });
  }, [id]);
}
