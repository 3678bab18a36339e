import { keeper } from '@/api/keeper';

/**
 * Lets the browser fetch a file by itself. The session is renewed first where its time has come: else what came would be
 * the refusal.
 */
export function download(path: string): void {
  const fetchIt = (): void => {
    const link = document.createElement('a');
    link.href = path;
    link.download = '';
    link.click();
  };
  const session = keeper();
  if (!session || session.isFresh()) fetchIt();
  else void session.fresh().finally(fetchIt);
}
