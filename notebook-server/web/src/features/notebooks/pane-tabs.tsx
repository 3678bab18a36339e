import type { LucideIcon } from 'lucide-react';
import { useText } from '@/i18n';
import { cx } from '@/lib/cx';

export type PaneName = 'sources' | 'chat' | 'reader';

interface PaneTabsProps {
  current: PaneName;
  tabs: { name: PaneName; label: string; icon: LucideIcon }[];
  onSelect: (name: PaneName) => void;
}

/** On a small screen: which pane is shown. */
export function PaneTabs({ current, tabs, onSelect }: PaneTabsProps) {
  const text = useText();
  return (
    <nav
      aria-label={text.panes}
      className="flex shrink-0 border-t border-line bg-sheet pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {tabs.map(({ name, label, icon: Icon }) => (
        <button
          key={name}
          type="button"
          aria-current={current === name ? 'page' : undefined}
          onClick={() => onSelect(name)}
          className={cx(
            'flex flex-1 flex-col items-center gap-0.5 py-2 text-xs focus-visible:-outline-offset-2',
            current === name ? 'font-medium text-accent' : 'text-faint',
          )}
        >
          <Icon size={20} strokeWidth={1.8} aria-hidden />
          {label}
        </button>
      ))}
    </nav>
  );
}
