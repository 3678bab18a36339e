import { RotateCw, X } from 'lucide-react';
import { useText } from '@/i18n';
import { IconButton } from '@/ui/button';
import { Progress } from '@/ui/progress';
import { type Upload, cancelUpload, retryUpload } from './uploads';
import { SourceIcon } from './source-icon';

export function UploadRow({ upload: { id, file, state } }: { upload: Upload }) {
  const text = useText();
  const share = state.kind === 'sending' && state.total > 0 ? state.sent / state.total : null;
  const label =
    state.kind === 'sending'
      ? text.uploading(Math.round((share ?? 0) * 100))
      : state.kind === 'storing'
        ? text.storing
        : state.kind === 'failed'
          ? text.uploadFailed
          : text.waitingUpload;
  const failed = state.kind === 'failed';
  return (
    <li className="rounded-xl px-2 py-2" data-testid="upload">
      <div className="flex items-center gap-2.5">
        <SourceIcon kind={file.name.split('.').at(-1) ?? ''} dim />
        <div className="min-w-0 flex-1">
          <p className="line-clamp-2 text-[13px] leading-snug font-medium break-words">{file.name}</p>
          <p className={failed ? 'pt-0.5 text-xs text-danger' : 'pt-0.5 text-xs text-faint tabular-nums'}>
            {label}
          </p>
        </div>
        {failed && state.code !== 'refused' && (
          <IconButton label={text.retryUpload(file.name)} onClick={() => retryUpload(id)}>
            <RotateCw size={16} aria-hidden />
          </IconButton>
        )}
        <IconButton
          label={failed ? text.dismiss(file.name) : text.cancelUpload(file.name)}
          onClick={() => cancelUpload(id)}
        >
          <X size={16} aria-hidden />
        </IconButton>
      </div>
      {failed ? (
        <p role="alert" className="mt-1.5 ms-9 rounded-lg bg-danger-wash p-2.5 text-xs">
          {state.message}
          {state.requestId && (
            <span className="block pt-1 break-all text-soft">{text.requestId(state.requestId)}</span>
          )}
        </p>
      ) : (
        <div className="ps-9 pe-1 pt-2">
          <Progress label={label} value={share} />
        </div>
      )}
    </li>
  );
}
