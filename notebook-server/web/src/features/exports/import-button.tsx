import { useQueryClient } from '@tanstack/react-query';
import { Upload } from 'lucide-react';
import { useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { importPath } from '@/api/endpoints';
import type { Id } from '@/api/types';
import { upload } from '@/api/upload';
import { useText } from '@/i18n';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { useJob } from './use-job';

const send = (file: File): Promise<{ job: Id }> =>
  new Promise((done, failed) => {
    upload<{ job: Id }>(importPath, file, { progress: () => undefined, done, failed });
  });

/** Takes the archive of a notebook and opens the new notebook. */
export function ImportButton() {
  const text = useText();
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  return (
    <>
      <Button className="h-10" icon={<Upload size={17} aria-hidden />} onClick={() => input.current?.click()}>
        {text.importNotebook}
      </Button>
      <input
        ref={input}
        type="file"
        accept=".zip,application/zip"
        aria-label={text.importNotebook}
        hidden
        onChange={(event) => {
          setFile(event.target.files?.[0] ?? null);
          event.target.value = '';
        }}
      />
      {file && <ImportDialog file={file} onClose={() => setFile(null)} />}
    </>
  );
}

function ImportDialog({ file, onClose }: { file: File; onClose: () => void }) {
  const text = useText();
  const client = useQueryClient();
  const [, go] = useLocation();
  const { error } = useJob(
    () => send(file),
    (_, result) => {
      void client.invalidateQueries({ queryKey: ['notebooks'] });
      onClose();
      go(`/n/${String(result['notebook'])}`);
      return null;
    },
  );
  return (
    <Dialog title={text.importNotebook} onClose={onClose}>
      {error ? <ErrorNote error={error} /> : <Spinner label={text.importing(file.name)} className="py-3" />}
      <div className="flex justify-end pt-3">
        <Button onClick={onClose}>{text.close}</Button>
      </div>
    </Dialog>
  );
}
