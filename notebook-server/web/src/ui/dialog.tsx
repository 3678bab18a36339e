import { X } from 'lucide-react';
import { type ReactNode, useEffect, useId, useRef } from 'react';
import { useText } from '@/i18n';
import { cx } from '@/lib/cx';
import { IconButton } from './button';

interface DialogProps {
  title: string;
  onClose: () => void;
  wide?: boolean;
  /** Shows something that is lost with it: a press beside it does not close it. */
  keep?: boolean;
  children: ReactNode;
}

/** A modal dialog. The browser keeps the focus in it and gives it back; Escape closes it. */
export function Dialog({ title, onClose, wide, keep, children }: DialogProps) {
  const text = useText();
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) {
      dialog.showModal();
      dialog.querySelector<HTMLElement>('[data-autofocus]')?.focus();
    }
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === event.currentTarget && !keep) onClose();
      }}
      className={cx(
        'max-h-[calc(100dvh-2rem)] w-[calc(100vw-2rem)] animate-rise overflow-hidden rounded-2xl bg-raised p-0 text-ink shadow-float',
        wide ? 'max-w-2xl' : 'max-w-md',
      )}
    >
      <div className="flex max-h-[calc(100dvh-2rem)] flex-col">
        <header className="flex items-center justify-between gap-4 ps-6 pe-4 pt-4 pb-2">
          <h2 id={id} className="font-serif text-xl font-semibold text-balance">
            {title}
          </h2>
          <IconButton label={text.close} onClick={onClose}>
            <X size={18} aria-hidden />
          </IconButton>
        </header>
        <div className="min-h-0 overflow-y-auto px-6 pt-1 pb-6">{children}</div>
      </div>
    </dialog>
  );
}
