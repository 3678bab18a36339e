import { BookOpen, CodeXml, FileText, Globe, type LucideIcon, Presentation, Sheet } from 'lucide-react';
import { cx } from '@/lib/cx';

const icons: Record<string, LucideIcon> = {
  pptx: Presentation,
  xlsx: Sheet,
  csv: Sheet,
  epub: BookOpen,
  html: Globe,
  code: CodeXml,
};

export function SourceIcon({ kind, dim }: { kind: string; dim?: boolean }) {
  const Icon = icons[kind] ?? FileText;
  return (
    <span
      aria-hidden
      className={cx(
        'grid size-7 shrink-0 place-items-center rounded-lg bg-accent-wash text-accent',
        dim && 'opacity-50',
      )}
    >
      <Icon size={15} strokeWidth={1.8} />
    </span>
  );
}
