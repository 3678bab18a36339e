import { LoaderCircle, TriangleAlert } from 'lucide-react';
import { Component, type ErrorInfo, type ReactNode } from 'react';
import { asProblem } from '@/api/problem';
import { useText } from '@/i18n';
import { cx } from '@/lib/cx';
import { Button } from './button';

export function Spinner({ label, className }: { label: string; className?: string }) {
  return (
    <div role="status" className={cx('flex items-center gap-2.5 text-sm text-faint', className)}>
      <LoaderCircle size={16} className="animate-spin" aria-hidden />
      {label}
    </div>
  );
}

/** What went wrong, in the server's words, with the id to quote when asking for help. */
export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: (() => void) | undefined }) {
  const text = useText();
  const problem = asProblem(error);
  return (
    <div role="alert" className="flex items-start gap-3 rounded-xl bg-danger-wash px-4 py-3 text-sm">
      <TriangleAlert size={17} className="mt-0.5 shrink-0 text-danger" aria-hidden />
      <div className="min-w-0 flex-1">
        <p>{problem.detail}</p>
        {problem.requestId && (
          <p className="mt-0.5 text-xs break-all text-soft">{text.requestId(problem.requestId)}</p>
        )}
      </div>
      {onRetry && (
        <Button className="h-8" onClick={onRetry}>
          {text.retry}
        </Button>
      )}
    </div>
  );
}

function PaneBroken({ error, onRetry }: { error: Error; onRetry: () => void }) {
  const text = useText();
  return (
    <div className="grid h-full content-center gap-3 p-6">
      <p className="font-serif text-lg font-semibold">{text.paneFailed}</p>
      <ErrorNote error={error} onRetry={onRetry} />
    </div>
  );
}

/** Keeps a failure of one pane from the rest of the page. */
export class PaneBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override componentDidCatch(error: Error, info: ErrorInfo): void {
    // eslint-disable-next-line no-console -- the only trace that a person can send along
    console.error(error, info.componentStack);
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    return <PaneBroken error={error} onRetry={() => this.setState({ error: null })} />;
  }
}
