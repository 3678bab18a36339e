import type { Id } from '@/api/types';
import { TopBar } from './top-bar';
import { useNotebook } from './queries';

export function NotebookPage({ id }: { id: Id }) {
  const { notebook } = useNotebook(id);
  return <TopBar {...(notebook ? { notebook } : {})}>{notebook?.name}</TopBar>;
}
