import { Check, ChevronDown, Copy, RefreshCw } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { Id } from '@/api/types';
import { useText } from '@/i18n';
import { useResearchText } from '@/i18n/research';
import { cx } from '@/lib/cx';
import { holdRun, runStore } from '@/state/runs/registry';
import { useMay } from '@/state/session';
import { useStore } from '@/state/store';
import { IconButton } from '@/ui/button';
import { AnswerNotes } from './answer-notes';
import { type AnswerView, isBusy, plainAnswer, viewOfMessage, viewOfRun } from './answer-view';
import { ApprovalCard } from './approval-card';
import { BranchSwitch } from './branch-switch';
import { useCitationHost } from './citation-context';
import { Details } from './details';
import { Markdown } from './markdown';
import { ResearchSteps } from './research-steps';
import type { Turn } from './thread';

interface AnswerProps {
  turn: Turn;
  siblings: Id[];
  onChoose: (id: Id) => void;
  onRegenerate: () => void;
  locked: boolean;
}

/** One answer: streaming, or stored. Its run's log is read again only where it is needed. */
export function Answer({ turn, siblings, onChoose, onRegenerate, locked }: AnswerProps) {
  const text = useText();
  const [details, setDetails] = useState(false);
  const mayAsk = useMay('chat');
  const stored = turn.kind === 'stored' ? turn.message : null;
  const id = turn.kind === 'live' ? turn.run.id : (stored?.run ?? 'none');
  const run = useStore(runStore(id));
  // Without citations the answer may be "the sources do not say", and one that ended early may have failed: only the log tells.
  const wanted = stored?.run != null && (details || stored.partial || stored.citations.length === 0);
  useEffect(() => (wanted ? holdRun(id) : undefined), [wanted, id]);
  const view = stored ? viewOfMessage(stored, run) : viewOfRun(run);
  const busy = isBusy(view);
  const silent = view.abstained && view.citations.length === 0;
  return (
    <article
      aria-label={text.answer}
      aria-busy={busy}
      className="group/answer pb-8"
      data-testid="answer"
      data-phase={view.phase}
    >
      <ResearchSteps view={view} busy={busy} />
      {busy &&
        view.questions
          .filter(({ state }) => state === 'pending')
          .map(({ id: question }) => <ApprovalCard key={question} id={question} />)}
      {view.text === '' && busy && <Working view={view} />}
      {view.text !== '' && (
        <div className={cx(silent && 'rounded-2xl border border-line bg-sheet px-5 py-4')}>
          {silent && !saysSo(view.text, text.sourcesSilent) && (
            <p className="pb-1.5 text-xs font-medium text-faint">{text.sourcesSilent}</p>
          )}
          <div className={cx('prose', silent && 'text-soft')} data-testid="answer-text">
            <Markdown text={view.text} citations={view.citations} />
          </div>
          {busy && (
            <span aria-hidden className="mt-2 block h-[3px] w-6 animate-caret rounded-full bg-accent" />
          )}
        </div>
      )}
      <AnswerNotes view={view} onRetry={locked || !mayAsk ? undefined : onRegenerate} />
      {!busy && (
        <footer className="-ms-2 flex flex-wrap items-center gap-0.5 pt-2 text-xs text-faint">
          {view.text !== '' && <CopyButton view={view} />}
          {mayAsk && (
            <IconButton label={text.regenerate} disabled={locked} onClick={onRegenerate}>
              <RefreshCw size={15} aria-hidden />
            </IconButton>
          )}
          <BranchSwitch current={turn.id} siblings={siblings} onChoose={onChoose} />
          <button
            type="button"
            aria-expanded={details}
            onClick={() => setDetails(!details)}
            className="flex h-8 items-center gap-1.5 rounded-lg px-2 hover:bg-wash hover:text-ink"
          >
            <span className="max-w-56 truncate">{view.model ?? text.details}</span>
            {view.mode && <span className="max-sm:hidden">· {text[modeKey[view.mode]]}</span>}
            <ChevronDown
              size={14}
              aria-hidden
              className={cx('transition-transform', details && 'rotate-180')}
            />
          </button>
        </footer>
      )}
      {details && !busy && <Details view={view} />}
    </article>
  );
}

/** Whether an answer begins with the heading that would stand above it. */
const saysSo = (answer: string, heading: string): boolean => answer.trimStart().startsWith(heading);

const modeKey = { keyword: 'modeKeyword', vector: 'modeVector', hybrid: 'modeHybrid' } as const;

function Working({ view }: { view: AnswerView }) {
  const text = useText();
  const own = useResearchText();
  const label =
    view.phase === 'waiting'
      ? text.waitingRun
      : view.phase === 'asking'
        ? own.asking
        : view.phase === 'researching'
          ? own.researching
          : view.phase === 'searching'
            ? text.searching
            : text.composing;
  return (
    <p className="flex items-center gap-3 py-1 text-soft">
      <span aria-hidden className="flex gap-1">
        {['', '[animation-delay:150ms]', '[animation-delay:300ms]'].map((delay) => (
          <span key={delay} className={cx('size-1.5 animate-pulse rounded-full bg-accent', delay)} />
        ))}
      </span>
      {label}
      {view.passages !== null && <span className="text-faint">· {text.passages(view.passages)}</span>}
    </p>
  );
}

function CopyButton({ view }: { view: AnswerView }) {
  const text = useText();
  const host = useCitationHost();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_800);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (): void => {
    const plain = plainAnswer(view, host.sourceName, host.partOf);
    void navigator.clipboard.writeText(plain).then(
      () => setCopied(true),
      () => undefined,
    );
  };
  return (
    <IconButton label={copied ? text.copied : text.copyAnswer} onClick={copy}>
      {copied ? <Check size={15} className="text-ok" aria-hidden /> : <Copy size={15} aria-hidden />}
    </IconButton>
  );
}
