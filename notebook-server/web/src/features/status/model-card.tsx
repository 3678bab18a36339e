import type { Status } from '@/api/types';
import { useText } from '@/i18n';
import { useAnswerText } from '@/i18n/answer';
import type { AnswerDictionary } from '@/i18n/answer/en';
import type { Dictionary } from '@/i18n/en';
import { useStatusText } from '@/i18n/status';
import type { StatusDictionary } from '@/i18n/status/en';
import { Breakers } from './breakers';

/** What people call the model: quotes are no model of anybody. */
export const modelName = (chat: Status['chat'], text: StatusDictionary): string =>
  chat.provider === 'extractive' ? text.quotes : chat.label;

/** Which models there are and how they are, in plain words; what the configuration calls them is folded away for operators. */
export function ModelCard({ status }: { status: Status }) {
  const { chat, embedding, rerank, version } = status;
  const text = useText();
  const own = useStatusText();
  const answers = useAnswerText();
  return (
    <div
      data-testid="model-card"
      className="absolute end-0 top-full z-30 mt-2 grid max-h-[calc(100vh-5rem)] w-80 max-w-[calc(100vw-2rem)] animate-rise gap-3 overflow-y-auto rounded-2xl border border-line bg-raised p-4 text-sm shadow-float"
    >
      <div>
        <p className="text-xs text-faint">{text.statusAnswering}</p>
        <p className="font-medium break-words">{modelName(chat, own)}</p>
        <p className="pt-0.5 text-soft">{about(chat, own)}</p>
        {chat.check !== 'ok' && <p className="pt-1 text-danger">{away(chat, answers)}</p>}
      </div>
      <div className="border-t border-line pt-3">
        <p className="text-xs text-faint">{text.statusEmbedding}</p>
        <p className="font-medium break-words">{embedding ? embedding.model : text.statusKeywords}</p>
        <p className="pt-0.5 text-soft">{embedding ? own.searchBoth : own.searchWords}</p>
      </div>
      {rerank && <RerankPart rerank={rerank} />}
      <Breakers models={status.models} operator={status.operator} />
      {status.operator && <OperatorPart status={status} />}
      <p className="text-xs text-faint">{text.version(version)}</p>
    </div>
  );
}

const about = (chat: Status['chat'], text: StatusDictionary): string =>
  chat.provider === 'extractive' ? text.chatQuotes : chat.local ? text.chatLocal : text.chatRemote;

/** What is the matter with the model, as an answer that fails by it says. */
function away({ check, label }: Status['chat'], text: AnswerDictionary): string {
  const say = Object.hasOwn(text.failures, check) ? text.failures[check] : text.failures['unavailable'];
  return say?.(label) ?? check;
}

/** Which model has the last word on the order of passages, and what came of it when it was asked last. */
function RerankPart({ rerank: { model, place, check } }: { rerank: NonNullable<Status['rerank']> }) {
  const text = useText();
  const own = useStatusText();
  const isWell = check === null || check === 'ok';
  return (
    <div className="border-t border-line pt-3">
      <p className="text-xs text-faint">{text.statusRerank}</p>
      <p className="font-medium break-words">
        {model}{' '}
        <span className="font-normal text-faint">
          · {place === 'on this machine' ? text.statusLocal : text.statusRemote}
        </span>
      </p>
      <p className={isWell ? 'pt-0.5 text-soft' : 'pt-1 text-danger'}>{rerankState(text, own, check)}</p>
    </div>
  );
}

function rerankState(text: Dictionary, own: StatusDictionary, check: string | null): string {
  switch (check) {
    case null:
      return text.statusRerankUnasked;
    case 'ok':
      return text.statusRerankWell;
    case 'timeout':
      return text.statusRerankLate;
    default:
      return own.rerankFailed;
  }
}

/** Settings, addresses and errors as they are. */
function OperatorPart({ status: { chat, embedding_reason: why, rerank } }: { status: Status }) {
  const own = useStatusText();
  const rows: [string, string][] = [[own.whyChat, chat.reason]];
  if (chat.check !== 'ok') rows.push([own.chatCheck, [chat.check, chat.detail].filter(Boolean).join(' · ')]);
  if (why) rows.push([own.whySearch, why]);
  if (rerank) rows.push([own.rerank, [rerank.place, rerank.check].filter(Boolean).join(' · ')]);
  return (
    <details className="border-t border-line pt-3 text-xs text-soft">
      <summary className="w-fit cursor-pointer hover:text-ink">{own.operatorDetails}</summary>
      <dl className="grid gap-1.5 pt-2" data-testid="operator-details">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt className="text-faint">{name}</dt>
            <dd className="font-mono break-words" dir="ltr">
              {value}
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
