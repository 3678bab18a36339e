import { ChevronLeft, ChevronRight } from 'lucide-react';
import type { Id } from '@/api/types';
import { useText } from '@/i18n';
import { IconButton } from '@/ui/button';

/** Goes between the versions of one message. */
export function BranchSwitch({
  current,
  siblings,
  onChoose,
}: {
  current: Id;
  siblings: Id[];
  onChoose: (id: Id) => void;
}) {
  const text = useText();
  if (siblings.length < 2) return null;
  const at = siblings.indexOf(current);
  const before = siblings[at - 1];
  const after = siblings[at + 1];
  return (
    <span className="flex items-center text-xs text-faint" data-testid="branches">
      <IconButton label={text.previousBranch} disabled={!before} onClick={() => before && onChoose(before)}>
        <ChevronLeft size={15} aria-hidden className="rtl:rotate-180" />
      </IconButton>
      <span className="tabular-nums">{text.branch(at + 1, siblings.length)}</span>
      <IconButton label={text.nextBranch} disabled={!after} onClick={() => after && onChoose(after)}>
        <ChevronRight size={15} aria-hidden className="rtl:rotate-180" />
      </IconButton>
    </span>
  );
}
