import { useQueryClient } from '@tanstack/react-query';
import { Ban, Download, Ellipsis, RotateCw, Trash2 } from 'lucide-react';
import { useId, useState } from 'react';
import { sources } from '@/api/endpoints';
import type { Source } from '@/api/types';
import { useText } from '@/i18n';
import { cx } from '@/lib/cx';
import { download } from '@/lib/download';
import { formatBytes, formatTime } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { useMay } from '@/state/session';
import { Button } from '@/ui/button';
import { Confirm } from '@/ui/confirm';
import { Menu, type MenuItem } from '@/ui/menu';
import { Progress } from '@/ui/progress';
import { putChanges } from './queries';
import { mediumOf, timeOf } from './kinds';
import { statusOf } from './source-status';
import { SourceIcon } from './source-icon';

interface SourceRowProps {
  source: Source;
  used: boolean;
  current: boolean;
  onUse: (used: boolean) => void;
  onOpen: () => void;
}

export function SourceRow({ source, used, current, onUse, onOpen }: SourceRowProps) {
  const text = useText();
  const described = useId();
  const locale = useLanguage();
  const client = useQueryClient();
  const [deleting, setDeleting] = useState(false);
  const mayWrite = useMay('source.write');
  const mayChoose = useMay('chat');
  const status = statusOf(source, text);
  const put = (change: Source): void =>
    putChanges(client, source.notebook, [{ kind: 'source', source: change }]);
  const length =
    source.pages === null
      ? null
      : mediumOf(source.kind) === 'audio'
        ? // Where the last part begins: of a recording with one part that says nothing.
          source.pages > 1
          ? timeOf(source.pages)
          : null
        : text.pages(source.pages);
  const facts = [length, formatBytes(source.bytes, locale)].filter((fact) => fact !== null);
  const from = source.origin && (source.origin.final_url ?? source.origin.url);
  const fetchedAt = source.origin?.fetched_at ?? null;
  const items: MenuItem[] = [
    {
      label: text.download,
      icon: <Download size={16} aria-hidden />,
      onSelect: () => download(sources.originalPath(source.id)),
    },
  ];
  if (mayWrite) {
    items.push({
      label: text.delete,
      icon: <Trash2 size={16} aria-hidden />,
      danger: true,
      onSelect: () => setDeleting(true),
    });
  }
  if (mayWrite && status.tone === 'busy' && !source.keywords_ready) {
    items.unshift({
      label: text.cancel,
      icon: <Ban size={16} aria-hidden />,
      onSelect: () => void sources.cancel(source.id).then(put, () => undefined),
    });
  }
  return (
    <li
      className={cx('group rounded-xl px-2 py-2 transition-colors hover:bg-wash/70', current && 'bg-wash')}
      data-testid="source"
      data-stage={source.stage}
    >
      <div className="flex items-center gap-2.5">
        <SourceIcon kind={source.kind} dim={!used} />
        <div className="relative min-w-0 flex-1" title={status.hint ?? status.label}>
          {/* The whole place opens the source; its name is the button's, and how it stands describes it. */}
          <button
            type="button"
            disabled={source.text_bytes === 0}
            aria-label={text.openSource(source.name)}
            aria-describedby={described}
            onClick={onOpen}
            className="block w-full text-start before:absolute before:inset-0"
          >
            <span
              className={cx(
                'line-clamp-2 text-[13px] leading-snug font-medium break-words',
                !used && 'text-faint',
              )}
            >
              {source.name}
            </span>
          </button>
          <span id={described} className="flex items-center gap-1.5 pt-0.5 text-xs text-faint">
            {status.tone === 'ready' ? (
              <>
                <span
                  className={cx(
                    'size-1.5 shrink-0 rounded-full',
                    source.vectors_ready ? 'bg-ok' : 'border border-ok',
                  )}
                  aria-hidden
                />
                <span className="sr-only">{status.label}</span>
                {facts.join(' · ')}
              </>
            ) : (
              <span
                className={cx(
                  status.tone === 'failed' && 'text-danger',
                  source.keywords_ready && status.tone === 'busy' && 'text-ok',
                )}
              >
                {status.label}
                {status.tone === 'busy' && source.progress.total > 0 && (
                  <span className="text-faint tabular-nums">
                    {' '}
                    · {Math.round((status.progress ?? 0) * 100)}%
                  </span>
                )}
              </span>
            )}
          </span>
        </div>
        <Menu
          label={text.actionsFor(source.name)}
          trigger={<Ellipsis size={16} aria-hidden />}
          items={items}
        />
        {mayChoose && status.tone !== 'failed' && (
          <input
            type="checkbox"
            aria-label={text.useSource(source.name)}
            title={text.useSource(source.name)}
            className="size-4 shrink-0 accent-accent"
            checked={used}
            onChange={(event) => onUse(event.target.checked)}
          />
        )}
      </div>
      {status.progress !== undefined && (
        <div className="ps-9 pe-1 pt-2">
          <Progress label={`${source.name}: ${status.label}`} value={status.progress} />
        </div>
      )}
      {from && (
        <p className="grid grid-cols-1 ps-9 pe-1 pt-0.5 text-xs text-faint" data-testid="origin">
          <a
            href={from}
            target="_blank"
            rel="noopener noreferrer"
            className="truncate hover:underline"
            title={from}
          >
            {from.replace(/^https?:\/\//, '')}
          </a>
          {fetchedAt !== null && <span>{text.fetchedAt(formatTime(fetchedAt, locale))}</span>}
        </p>
      )}
      {status.tone === 'failed' && (
        <div className="mt-1.5 ms-9 grid gap-2 rounded-lg bg-danger-wash p-2.5 text-xs">
          <p>{status.hint}</p>
          {mayWrite && (
            <Button
              className="h-7 w-fit px-2.5 text-xs"
              icon={<RotateCw size={13} aria-hidden />}
              onClick={() => void sources.retry(source.id).then(put, () => undefined)}
            >
              {text.retry}
            </Button>
          )}
        </div>
      )}
      {deleting && (
        <Confirm
          title={text.deleteSource}
          hint={text.deleteSourceHint(source.name)}
          action={text.delete}
          onConfirm={async () => {
            await sources.remove(source.id);
            putChanges(client, source.notebook, [{ kind: 'deleted', id: source.id }]);
          }}
          onClose={() => setDeleting(false)}
        />
      )}
    </li>
  );
}
