import { Download } from 'lucide-react';
import { jobs } from '@/api/endpoints';
import type { Id } from '@/api/types';
import { useText } from '@/i18n';
import { download } from '@/lib/download';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { useJob } from './use-job';

interface ExportDialogProps {
  title: string;
  start: () => Promise<{ job: Id }>;
  onClose: () => void;
}

/** Lets the server write a file, then offers it. */
export function ExportDialog({ title, start, onClose }: ExportDialogProps) {
  const text = useText();
  const { data, error } = useJob(start, (job, result) => ({
    path: jobs.filePath(job),
    replaced: Number(result['replaced_characters'] ?? 0),
  }));
  return (
    <Dialog title={title} onClose={onClose}>
      {!data && !error && <Spinner label={text.exporting} className="py-3" />}
      {error && <ErrorNote error={error} />}
      {data && data.replaced > 0 && <p className="pb-4 text-soft">{text.exportReplaced(data.replaced)}</p>}
      <div className="flex justify-end gap-2 pt-3">
        <Button onClick={onClose}>{data ? text.close : text.cancel}</Button>
        {data && (
          <a
            href={data.path}
            download
            onClick={(event) => {
              event.preventDefault();
              download(data.path);
              onClose();
            }}
            data-autofocus
            className="inline-flex h-9 items-center gap-2 rounded-lg bg-ink px-3.5 text-sm font-medium text-paper"
          >
            <Download size={16} aria-hidden />
            {text.downloadFile}
          </a>
        )}
      </div>
    </Dialog>
  );
}
