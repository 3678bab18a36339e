import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { status } from '@/api/endpoints';
import type { Status } from '@/api/types';
import { useText } from '@/i18n';
import type { Dictionary } from '@/i18n/en';
import { cx } from '@/lib/cx';
import { connection } from '@/state/connection';
import { Breakers } from './breakers';

export const useStatus = () =>
  useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => status(signal),
    refetchInterval: 60_000,
    staleTime: 30_000,
  });

/** Shown only while something is wrong: quiet is the normal state. */
export function ConnectionChip() {
  const text = useText();
  const state = useSyncExternalStore(connection.subscribe, connection.get);
  return (
    <span role="status" className="contents">
      {state === 'reconnecting' && (
        <span className="flex items-center gap-2 rounded-full bg-warn-wash px-3 py-1 text-xs text-warn">
          <span className="size-1.5 animate-pulse rounded-full bg-current" aria-hidden />
          {text.reconnecting}
        </span>
      )}
    </span>
  );
}

/** Which model answers; opens to say why. */
export function ModelChip() {
  const text = useText();
  const { data, isError } = useStatus();
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: PointerEvent): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    const escape = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('keydown', escape);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('keydown', escape);
    };
  }, [open]);
  if (!data && !isError) return null;
  const good = data?.chat.check === 'ok';
  const label = data ? data.chat.label : text.statusUnknown;
  return (
    <div ref={root} className="relative min-w-0">
      <button
        type="button"
        aria-expanded={open}
        aria-label={`${text.statusModel}: ${label}`}
        onClick={() => setOpen(!open)}
        className="flex h-8 max-w-full items-center gap-2 rounded-full border border-line px-3 text-xs text-soft transition-colors hover:bg-wash hover:text-ink max-sm:size-9 max-sm:justify-center max-sm:px-0"
      >
        <span
          className={cx('size-2 shrink-0 rounded-full', good && !isError ? 'bg-ok' : 'bg-danger')}
          aria-hidden
        />
        <span className="max-w-40 truncate max-sm:hidden">{label}</span>
      </button>
      {open && data && <ModelCard status={data} />}
    </div>
  );
}

export function ModelCard({ status }: { status: Status }) {
  const { chat, embedding, embedding_reason: reason, rerank, version } = status;
  const text = useText();
  return (
    <div className="absolute end-0 top-full z-30 mt-2 grid w-80 max-w-[calc(100vw-2rem)] animate-rise gap-3 rounded-2xl border border-line bg-raised p-4 text-sm shadow-float">
      <div>
        <p className="text-xs text-faint">{text.statusAnswering}</p>
        <p className="font-medium break-words">
          {chat.label}{' '}
          <span className="font-normal text-faint">
            · {chat.local ? text.statusLocal : text.statusRemote}
          </span>
        </p>
        <p className="pt-0.5 text-soft">{chat.reason}</p>
        {chat.check !== 'ok' && (
          <p className="pt-1 text-danger">
            {chat.detail ?? (chat.check === 'unreachable' ? text.statusUnreachable : chat.check)}
          </p>
        )}
      </div>
      <div className="border-t border-line pt-3">
        <p className="text-xs text-faint">{text.statusEmbedding}</p>
        <p className="font-medium break-words">{embedding ? embedding.model : text.statusKeywords}</p>
        {reason && <p className="pt-0.5 text-soft">{reason}</p>}
      </div>
      {rerank && <RerankPart rerank={rerank} />}
      <Breakers models={status.models} operator={status.operator} />
      <p className="text-xs text-faint">{text.version(version)}</p>
    </div>
  );
}

/** Which model has the last word on the order of passages, and what came of it when it was asked last. */
function RerankPart({ rerank: { model, place, check } }: { rerank: NonNullable<Status['rerank']> }) {
  const text = useText();
  const isWell = check === null || check === 'ok';
  return (
    <div className="border-t border-line pt-3">
      <p className="text-xs text-faint">{text.statusRerank}</p>
      <p className="font-medium break-words">
        {model}{' '}
        <span className="font-normal text-faint">
          · {place === 'on this machine' ? text.statusLocal : place}
        </span>
      </p>
      <p className={isWell ? 'pt-0.5 text-soft' : 'pt-1 text-danger'}>{rerankState(text, check)}</p>
    </div>
  );
}

function rerankState(text: Dictionary, check: string | null): string {
  switch (check) {
    case null:
      return text.statusRerankUnasked;
    case 'ok':
      return text.statusRerankWell;
    case 'timeout':
      return text.statusRerankLate;
    default:
      return text.statusRerankFailed(check);
  }
}
