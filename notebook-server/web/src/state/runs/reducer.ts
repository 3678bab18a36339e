import type { ApprovalState } from '@/api/approvals';
import type {
  AnswerWarning,
  Citation,
  Id,
  RetrievalMode,
  RunEvent,
  RunState,
  Timing,
  Usage,
} from '@/api/types';

/** A tool that a research called. */
export interface Step {
  call: string;
  tool: string;
  /** The beginning of its arguments as JSON; empty when the log before its answer is gone. */
  arguments: string;
  state: 'running' | 'done' | 'failed';
  passages: number;
  failure: string | null;
}

/** What a research asks a person to allow. */
export interface Question {
  id: Id;
  tool: string;
  state: ApprovalState;
}

/** Why there is no whole answer. */
export interface Failure {
  code: string;
  message: string;
  retryable: boolean;
  /** What exactly happened, for whoever looks after the server. */
  detail: string | null;
  requestId: string | null;
}

/** Everything that a run's log says so far. */
export interface LiveRun {
  state: RunState;
  /** Sequence number of the last event applied; 0 before the first. */
  lastSeq: number;
  text: string;
  citations: readonly Citation[];
  steps: readonly Step[];
  questions: readonly Question[];
  warnings: readonly AnswerWarning[];
  model: string | null;
  mode: RetrievalMode | null;
  passages: number | null;
  /** Whether a retrieval stage missed its deadline. */
  partialRetrieval: boolean;
  timings: readonly Timing[];
  context: { promptTokens: number; budgetTokens: number; messagesLeftOut: number } | null;
  usage: Usage | null;
  abstained: boolean;
  droppedCitations: number;
  failure: Failure | null;
}

export const freshRun: LiveRun = {
  state: 'queued',
  lastSeq: 0,
  text: '',
  citations: [],
  steps: [],
  questions: [],
  warnings: [],
  model: null,
  mode: null,
  passages: null,
  partialRetrieval: false,
  timings: [],
  context: null,
  usage: null,
  abstained: false,
  droppedCitations: 0,
  failure: null,
};

/** How far apart the numbers of two workers' events lie. */
const generation = 2 ** 20;

/** How an event's number stands to the last one taken: numbers have no gaps but where another worker begins. */
export function orderOf(lastSeq: number, event: RunEvent): 'next' | 'repeat' | 'gap' {
  if (event.seq <= lastSeq) return 'repeat';
  const begins = event.type === 'resync' || event.seq % generation === 1;
  if (begins || event.seq === lastSeq + 1) return 'next';
  return 'gap';
}

/** The run after one event. Repeats, gaps and whatever follows the end change nothing. */
export function step(run: LiveRun, event: RunEvent): LiveRun {
  if (orderOf(run.lastSeq, event) !== 'next' || ended(run)) return run;
  return { ...run, ...change(run, event), lastSeq: event.seq };
}

export const stepAll = (run: LiveRun, events: readonly RunEvent[]): LiveRun => events.reduce(step, run);

export const ended = (run: LiveRun): boolean => run.state !== 'queued' && run.state !== 'running';

function change(run: LiveRun, event: RunEvent): Partial<LiveRun> {
  switch (event.type) {
    case 'started':
      return { state: 'running', model: event.model };
    case 'restarted':
      // Another worker begins anew: what came so far is not of its answer.
      // A research goes on from where it stood: what it did is not told again.
      return { ...freshRun, state: 'running', steps: run.steps, questions: run.questions };
    case 'retrieved':
      return {
        mode: event.mode,
        passages: event.passages,
        partialRetrieval: event.partial,
        timings: event.timings,
      };
    case 'context':
      return {
        context: {
          promptTokens: event.prompt_tokens,
          budgetTokens: event.budget_tokens,
          messagesLeftOut: event.messages_left_out,
        },
      };
    case 'delta':
      return { state: 'running', text: run.text + event.text };
    case 'citation':
      return { citations: [...run.citations, citationOf(event)] };
    case 'tool_called':
      return { state: 'running', steps: withStep(run.steps, { ...newStep(event), state: 'running' }) };
    case 'tool_answered': {
      const known =
        run.steps.find((step) => step.call === event.call) ?? newStep({ ...event, arguments: '' });
      const state = event.failure === null ? 'done' : 'failed';
      const { passages, failure } = event;
      return { steps: withStep(run.steps, { ...known, state, passages, failure }) };
    }
    case 'approval_requested':
      return {
        questions: withQuestion(run.questions, { id: event.approval, tool: event.tool, state: 'pending' }),
      };
    case 'approval_decided':
      return {
        questions: withQuestion(run.questions, { id: event.approval, tool: event.tool, state: event.state }),
      };
    case 'warning':
      return { warnings: [...run.warnings, { code: event.code, message: event.message }] };
    case 'resync':
      return { state: 'running', text: event.text, citations: event.citations };
    case 'completed':
      return {
        state: 'completed',
        usage: event.usage,
        abstained: event.abstained,
        droppedCitations: event.dropped_citations,
        timings: event.timings,
      };
    case 'failed':
      return {
        state: 'failed',
        failure: {
          code: event.code,
          message: event.message,
          retryable: event.retryable,
          detail: event.detail ?? null,
          requestId: null,
        },
      };
    case 'stopped':
    case 'abandoned':
      return { state: event.type };
    default:
      // A kind of event that a newer server sends: its number counts, its content is not for us.
      return {};
  }
}

const newStep = ({
  call,
  tool,
  arguments: given,
}: {
  call: string;
  tool: string;
  arguments: string;
}): Step => ({
  call,
  tool,
  arguments: given,
  state: 'running',
  passages: 0,
  failure: null,
});

const withStep = (steps: readonly Step[], step: Step): readonly Step[] =>
  steps.some((each) => each.call === step.call)
    ? steps.map((each) => (each.call === step.call ? step : each))
    : [...steps, step];

const withQuestion = (questions: readonly Question[], question: Question): readonly Question[] => [
  ...questions.filter((each) => each.id !== question.id),
  question,
];

const citationOf = (event: Citation): Citation => ({
  number: event.number,
  at: event.at,
  at_utf16: event.at_utf16,
  source: event.source,
  span: event.span,
  page: event.page,
  quote: event.quote,
});
