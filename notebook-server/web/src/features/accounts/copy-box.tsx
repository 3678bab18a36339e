import { Check, Copy } from 'lucide-react';
import { useEffect, useId, useState } from 'react';
import { useAccountText } from '@/i18n/accounts';
import { Button } from '@/ui/button';

/** A text that is shown once, with a way to take it along. */
export function CopyBox({ label, value }: { label: string; value: string }) {
  const text = useAccountText();
  const id = useId();
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), 4_000);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = (): void => {
    // Not there where the page is not secure.
    const written = (navigator as { clipboard?: Clipboard }).clipboard?.writeText(value);
    (written ?? Promise.reject(new Error('no clipboard'))).then(
      () => setState('copied'),
      () => setState('failed'),
    );
  };
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          readOnly
          value={value}
          onFocus={(event) => event.target.select()}
          className="w-full min-w-0 rounded-lg border border-line-strong bg-sheet px-3 py-2 font-mono text-xs"
        />
        <Button
          data-autofocus
          icon={state === 'copied' ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          onClick={copy}
        >
          {state === 'copied' ? text.copied : text.copy}
        </Button>
      </div>
      <p role="status" className="min-h-4 text-xs text-faint">
        {state === 'copied' ? text.copied : state === 'failed' ? text.copyFailed : ''}
      </p>
    </div>
  );
}
