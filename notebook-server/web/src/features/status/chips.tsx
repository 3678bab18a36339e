import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { status } from '@/api/endpoints';
import { useText } from '@/i18n';
import { useStatusText } from '@/i18n/status';
import { cx } from '@/lib/cx';
import { connection } from '@/state/connection';
import { ModelCard, modelName } from './model-card';

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
  const own = useStatusText();
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
  const label = data ? modelName(data.chat, own) : text.statusUnknown;
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
