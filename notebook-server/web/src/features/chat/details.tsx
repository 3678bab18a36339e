import type { ReactNode } from 'react';
import { useText } from '@/i18n';
import { useAnswerText } from '@/i18n/answer';
import { formatMicros, formatUsd } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import type { AnswerView } from './answer-view';

const Row = ({ name, children }: { name: string; children: ReactNode }) => (
  <div className="contents">
    <dt className="text-faint">{name}</dt>
    <dd className="min-w-0 break-words">{children}</dd>
  </div>
);

/** How an answer came about: model, search, tokens, times. */
export function Details({ view }: { view: AnswerView }) {
  const text = useText();
  const own = useAnswerText();
  const locale = useLanguage();
  const mode =
    view.mode && { keyword: text.modeKeyword, vector: text.modeVector, hybrid: text.modeHybrid }[view.mode];
  const number = (value: number): string => value.toLocaleString(locale);
  return (
    <dl
      className="mt-1 grid w-fit max-w-full grid-cols-[auto_minmax(0,1fr)] gap-x-5 gap-y-1 rounded-xl border border-line bg-sheet px-4 py-3 text-xs"
      data-testid="details"
    >
      {view.model && <Row name={text.model}>{view.model}</Row>}
      {mode && (
        <Row name={text.search}>
          {mode}
          {view.passages !== null && ` · ${text.passages(view.passages)}`}
        </Row>
      )}
      {view.usage && view.usage.prompt_tokens + view.usage.completion_tokens > 0 && (
        <Row name={text.tokens}>
          {text.tokensOf(
            number(view.usage.prompt_tokens),
            number(view.usage.completion_tokens),
            view.usage.exact,
          )}
        </Row>
      )}
      {view.usage && view.usage.cost_micros !== null && (
        <Row name={text.cost}>
          {view.usage.exact
            ? formatUsd(view.usage.cost_micros, locale)
            : text.costEstimated(formatUsd(view.usage.cost_micros, locale))}
        </Row>
      )}
      {view.timings.length > 0 && (
        <Row name={text.timing}>
          <ul className="grid grid-cols-[auto_auto] gap-x-4 tabular-nums">
            {view.timings.map((timing, index) => (
              <li key={index} className="contents">
                <span className="text-soft">
                  {own.stages[timing.stage] ?? timing.stage.replaceAll('_', ' ')}
                </span>
                <span className="text-end">
                  {formatMicros(timing.micros, locale)}
                  {!timing.finished && <span className="text-warn"> · {text.unfinished}</span>}
                </span>
              </li>
            ))}
          </ul>
        </Row>
      )}
    </dl>
  );
}
