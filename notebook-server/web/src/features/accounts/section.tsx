import type { ReactNode } from 'react';

/** What every section begins with. */
export function SectionHead({ title, lead, action }: { title: string; lead?: string; action?: ReactNode }) {
  return (
    <header className="flex flex-wrap items-start justify-between gap-x-6 gap-y-4 pb-6">
      <div className="min-w-0">
        <h1 className="font-serif text-3xl font-semibold tracking-tight break-words">{title}</h1>
        {lead && <p className="max-w-[58ch] pt-1.5 text-pretty text-soft">{lead}</p>}
      </div>
      {action}
    </header>
  );
}

/** A list in which every row is something with a few words about it and what can be done with it. */
export function Rows({ label, children }: { label: string; children: ReactNode }) {
  return (
    <ul aria-label={label} className="divide-y divide-line rounded-2xl border border-line bg-sheet">
      {children}
    </ul>
  );
}

interface RowProps {
  title: ReactNode;
  note?: ReactNode;
  action?: ReactNode;
  dim?: boolean;
}

export function Row({ title, note, action, dim }: RowProps) {
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2.5 px-4 py-3.5 sm:px-5">
      <div className={dim ? 'min-w-48 flex-1 opacity-60' : 'min-w-48 flex-1'}>
        <p className="font-medium break-words">{title}</p>
        {note && <p className="pt-0.5 text-xs break-words text-faint">{note}</p>}
      </div>
      {action && <div className="flex items-center gap-2">{action}</div>}
    </li>
  );
}

export function Badge({ children }: { children: ReactNode }) {
  return (
    <span className="ms-2 inline-block rounded-full bg-accent-wash px-2 py-0.5 align-middle text-xs font-medium text-accent">
      {children}
    </span>
  );
}
