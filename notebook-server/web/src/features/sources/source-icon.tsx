import {
  AudioLines,
  BookOpen,
  CodeXml,
  FileText,
  Globe,
  Image,
  type LucideIcon,
  Presentation,
  Sheet,
} from 'lucide-react';
import { cx } from '@/lib/cx';
import { type Medium, mediumOf } from './kinds';

const icons: Record<string, LucideIcon> = {
  pptx: Presentation,
  xlsx: Sheet,
  csv: Sheet,
  epub: BookOpen,
  html: Globe,
  code: CodeXml,
};

const media: Record<Medium, LucideIcon> = { text: FileText, image: Image, audio: AudioLines };

export function SourceIcon({ kind, dim }: { kind: string; dim?: boolean }) {
  const Icon = icons[kind] ?? media[mediumOf(kind)];
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
