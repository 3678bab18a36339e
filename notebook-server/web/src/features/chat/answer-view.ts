import type { Citation, Message, RetrievalMode, Timing, Usage } from '@/api/types';
import type { LiveRun } from '@/state/runs/reducer';

/** What an answer shows, whether it comes from the store or from a run being read. */
export interface AnswerView {
  text: string;
  citations: readonly Citation[];
  phase:
    | 'waiting'
    | 'asking'
    | 'researching'
    | 'searching'
    | 'writing'
    | 'done'
    | 'stopped'
    | 'partial'
    | 'failed'
    | 'abandoned';
  model: string | null;
  mode: RetrievalMode | null;
  passages: number | null;
  partialRetrieval: boolean;
  timings: readonly Timing[];
  usage: Usage | null;
  abstained: boolean;
  dropped: number;
  steps: LiveRun['steps'];
  questions: LiveRun['questions'];
  warnings: LiveRun['warnings'];
  failure: LiveRun['failure'];
}

const phaseOf = (run: LiveRun): AnswerView['phase'] => {
  if (run.state === 'queued') return 'waiting';
  if (run.state === 'running' && run.text === '' && run.questions.some(({ state }) => state === 'pending'))
    return 'asking';
  if (run.state === 'running' && run.text === '' && run.steps.length > 0) return 'researching';
  if (run.state === 'running') return run.text === '' ? (run.mode ? 'writing' : 'searching') : 'writing';
  return run.state === 'completed' ? 'done' : run.state;
};

export const viewOfRun = (run: LiveRun): AnswerView => ({
  text: run.text,
  citations: run.citations,
  phase: phaseOf(run),
  model: run.model,
  mode: run.mode,
  passages: run.passages,
  partialRetrieval: run.partialRetrieval,
  timings: run.timings,
  usage: run.usage,
  abstained: run.abstained,
  dropped: run.droppedCitations,
  steps: run.steps,
  questions: run.questions,
  warnings: run.warnings,
  failure: run.failure,
});

/** A stored answer; what only the run's log holds is added when that was read. */
export function viewOfMessage(message: Message, run: LiveRun): AnswerView {
  const log = viewOfRun(run);
  const read = run.lastSeq > 0;
  const ending = read && ['stopped', 'failed', 'abandoned'].includes(log.phase) ? log.phase : 'partial';
  return {
    ...log,
    text: message.text,
    citations: message.citations,
    phase: message.partial ? ending : 'done',
    model: message.model ?? log.model,
    timings: message.timings.length > 0 ? message.timings : log.timings,
    usage: message.usage,
    dropped: message.dropped_citations,
    warnings: message.warnings.length > 0 ? message.warnings : log.warnings,
  };
}

export const isBusy = (view: AnswerView): boolean =>
  ['waiting', 'asking', 'researching', 'searching', 'writing'].includes(view.phase);

/** The answer as plain text with its marks, and below it the quotes. */
export function plainAnswer(
  view: AnswerView,
  nameOf: (source: string) => string,
  partOf: (citation: Citation) => string | null,
): string {
  let text = view.text;
  for (const { at_utf16: at, number } of [...view.citations].sort((a, b) => b.at_utf16 - a.at_utf16)) {
    text = `${text.slice(0, at)} [${number}]${text.slice(at)}`;
  }
  const notes = new Map(
    view.citations.map((each) => {
      const part = partOf(each);
      const place = part === null ? nameOf(each.source) : `${nameOf(each.source)}, ${part}`;
      return [each.number, `[${each.number}] “${each.quote}” (${place})`];
    }),
  );
  return notes.size === 0 ? text : `${text.trimEnd()}\n\n${[...notes.values()].join('\n')}\n`;
}
