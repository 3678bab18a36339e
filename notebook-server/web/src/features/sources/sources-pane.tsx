import { ClipboardPaste, Link, Plus } from 'lucide-react';
import { useCallback, useRef, useState } from 'react';
import type { Id, Source } from '@/api/types';
import { useStatus } from '@/features/status/chips';
import { useText } from '@/i18n';
import { formatBytes } from '@/lib/format';
import { useLanguage } from '@/state/preferences';
import { useMay } from '@/state/session';
import { useStore } from '@/state/store';
import { Button, IconButton } from '@/ui/button';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { DropZone } from './drop-zone';
import { LinkDialog } from './link-dialog';
import { PasteDialog } from './paste-dialog';
import { accepted, limitOf } from './kinds';
import { SourceRow } from './source-row';
import { UploadRow } from './upload-row';
import { addUploads, uploads } from './uploads';

interface SourcesPaneProps {
  notebook: Id;
  items: Source[];
  loading: boolean;
  error: unknown;
  excluded: readonly Id[];
  reading: Id | null;
  onExclude: (ids: Id[]) => void;
  onOpen: (source: Id) => void;
}

export function SourcesPane(props: SourcesPaneProps) {
  const { notebook, items, loading, error, excluded, reading, onExclude, onOpen } = props;
  const text = useText();
  const locale = useLanguage();
  const limits = useStatus().data?.limits;
  const moving = useStore(uploads).filter((each) => each.notebook === notebook);
  const picker = useRef<HTMLInputElement>(null);
  const [pasting, setPasting] = useState(false);
  const [linking, setLinking] = useState(false);
  const mayWrite = useMay('source.write');
  const mayChoose = useMay('chat');

  const add = useCallback(
    (files: File[]) =>
      addUploads(notebook, files, (file) => {
        const limit = limitOf(file, limits);
        if (file.size === 0) return text.emptyFile;
        if (file.size <= limit) return null;
        return text.tooLarge(formatBytes(file.size, locale), formatBytes(limit, locale));
      }),
    [notebook, limits, locale, text],
  );
  const usable = items.filter((source) => source.stage !== 'failed');
  const off = usable.filter((source) => excluded.includes(source.id)).length;
  const use = (id: Id, used: boolean): void =>
    onExclude(used ? excluded.filter((each) => each !== id) : [...excluded, id]);
  const empty = items.length === 0 && moving.length === 0 && !loading;

  return (
    <section aria-label={text.sources} className="flex h-full min-h-0 flex-col">
      <header className="flex items-center gap-1 ps-4 pe-2.5 pt-3 pb-1">
        <h2 className="flex-1 font-medium">{text.sources}</h2>
        {mayWrite && (
          <>
            <IconButton label={text.addLink} onClick={() => setLinking(true)}>
              <Link size={17} aria-hidden />
            </IconButton>
            <IconButton label={text.pasteText} onClick={() => setPasting(true)}>
              <ClipboardPaste size={17} aria-hidden />
            </IconButton>
            <IconButton label={text.addFiles} onClick={() => picker.current?.click()}>
              <Plus size={19} aria-hidden />
            </IconButton>
          </>
        )}
        <input
          ref={picker}
          type="file"
          multiple
          accept={accepted}
          className="hidden"
          tabIndex={-1}
          aria-label={text.addFiles}
          data-testid="file-input"
          onChange={(event) => {
            add([...(event.target.files ?? [])]);
            event.target.value = '';
          }}
        />
      </header>
      {mayChoose && usable.length > 1 && (
        <label className="flex cursor-pointer items-center gap-2 ps-4 pe-5 pb-1 text-xs text-faint">
          <span className="flex-1">{text.selectedSources(usable.length - off, usable.length)}</span>
          <input
            type="checkbox"
            aria-label={text.allSources}
            className="size-4 accent-accent"
            checked={off === 0}
            ref={(box) => {
              if (box) box.indeterminate = off > 0 && off < usable.length;
            }}
            onChange={() => onExclude(off === 0 ? items.map((source) => source.id) : [])}
          />
        </label>
      )}
      <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-4">
        {Boolean(error) && <ErrorNote error={error} />}
        {loading && <Spinner label={text.loading} className="p-3" />}
        {empty && !mayWrite && <p className="p-2 text-[13px] text-soft">{text.noSourcesYet}</p>}
        {empty && mayWrite && (
          <div className="mx-1 mt-3 rounded-2xl border border-dashed border-line-strong px-5 py-8 text-center">
            <h3 className="font-serif text-lg font-semibold">{text.noSources}</h3>
            <p className="pt-1.5 pb-5 text-[13px] text-pretty text-soft">
              {text.noSourcesHint(formatBytes(limitOf(null, limits), locale))}
            </p>
            <div className="grid justify-center gap-2">
              <Button
                look="primary"
                icon={<Plus size={16} aria-hidden />}
                onClick={() => picker.current?.click()}
              >
                {text.addFiles}
              </Button>
              <Button look="ghost" onClick={() => setLinking(true)}>
                {text.addLink}
              </Button>
              <Button look="ghost" onClick={() => setPasting(true)}>
                {text.pasteText}
              </Button>
            </div>
          </div>
        )}
        <ul className="grid grid-cols-1 gap-0.5">
          {items.map((source) => (
            <SourceRow
              key={source.id}
              source={source}
              used={!excluded.includes(source.id)}
              current={reading === source.id}
              onUse={(used) => use(source.id, used)}
              onOpen={() => onOpen(source.id)}
            />
          ))}
          {moving.map((each) => (
            <UploadRow key={each.id} upload={each} />
          ))}
        </ul>
      </div>
      {mayWrite && <DropZone onFiles={add} />}
      {linking && <LinkDialog notebook={notebook} onClose={() => setLinking(false)} />}
      {pasting && <PasteDialog notebook={notebook} onClose={() => setPasting(false)} />}
    </section>
  );
}
