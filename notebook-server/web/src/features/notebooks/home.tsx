import { BookOpen, Plus } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useLocation } from 'wouter';
import { ImportButton } from '@/features/exports/import-button';
import { useText } from '@/i18n';
import { cx } from '@/lib/cx';
import { uuidV7 } from '@/lib/uuid';
import { openDraft } from '@/state/drafts';
import { useMay } from '@/state/session';
import { Button } from '@/ui/button';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { TopBar } from './top-bar';
import { NotebookCard } from './notebook-card';
import { useNotebooks } from './queries';

export function Home() {
  const text = useText();
  const [archived, setArchived] = useState(false);
  const [, go] = useLocation();
  const mayWrite = useMay('notebook.write');
  const mayImport = useMay('notebook.write', 'source.write');
  const list = useNotebooks(archived);
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  useEffect(() => {
    document.title = text.appName;
  }, [text]);
  const create = (): void => go(`/n/${openDraft(uuidV7()).id}`);

  return (
    <div className="flex min-h-full flex-col">
      <TopBar />
      <main className="mx-auto w-full max-w-5xl flex-1 px-5 pt-8 pb-16 md:px-8 md:pt-14">
        <div className="flex flex-wrap items-end justify-between gap-x-8 gap-y-5">
          <div>
            <h1 className="font-serif text-4xl font-semibold tracking-tight">{text.homeTitle}</h1>
            <p className="max-w-[46ch] pt-2 text-base text-pretty text-soft">{text.homeLead}</p>
          </div>
          <div className="flex flex-wrap gap-2">
            {mayImport && <ImportButton />}
            {mayWrite && (
              <Button look="primary" className="h-10" icon={<Plus size={17} aria-hidden />} onClick={create}>
                {text.newNotebook}
              </Button>
            )}
          </div>
        </div>
        <div className="flex gap-1 pt-8 pb-4" role="group" aria-label={text.homeTitle}>
          {[false, true].map((value) => (
            <button
              key={String(value)}
              type="button"
              aria-pressed={archived === value}
              onClick={() => setArchived(value)}
              className={cx(
                'rounded-full px-3.5 py-1.5 text-sm transition-colors',
                archived === value ? 'bg-ink text-paper' : 'text-soft hover:bg-wash',
              )}
            >
              {value ? text.showArchived : text.showActive}
            </button>
          ))}
        </div>
        {list.isPending && <Spinner label={text.loading} className="py-10" />}
        {list.error && <ErrorNote error={list.error} onRetry={() => void list.refetch()} />}
        {list.isSuccess && items.length === 0 && (
          <Empty archived={archived} onCreate={mayWrite ? create : null} />
        )}
        <ul className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
          {items.map((notebook) => (
            <NotebookCard key={notebook.id} notebook={notebook} />
          ))}
        </ul>
        {list.hasNextPage && (
          <div className="flex justify-center pt-8">
            <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              {text.loadMore}
            </Button>
          </div>
        )}
      </main>
    </div>
  );
}

function Empty({ archived, onCreate }: { archived: boolean; onCreate: (() => void) | null }) {
  const text = useText();
  return (
    <section className="flex flex-col items-center rounded-3xl border border-dashed border-line-strong px-6 py-16 text-center">
      <BookOpen size={34} strokeWidth={1.4} className="text-accent" aria-hidden />
      <h2 className="pt-4 font-serif text-2xl font-semibold">
        {archived ? text.noArchived : text.noNotebooks}
      </h2>
      <p className="max-w-[44ch] pt-2 pb-6 text-pretty text-soft">
        {archived ? text.noArchivedHint : onCreate ? text.noNotebooksHint : text.noNotebooksToRead}
      </p>
      {!archived && onCreate && (
        <Button icon={<Plus size={17} aria-hidden />} onClick={onCreate}>
          {text.newNotebook}
        </Button>
      )}
    </section>
  );
}
