import { Settings } from 'lucide-react';
import { type ReactNode, Suspense, lazy, useState } from 'react';
import { Link } from 'wouter';
import type { Notebook } from '@/api/types';
import { SettingsDialog } from '@/features/settings/settings-dialog';
import { ConnectionChip, ModelChip } from '@/features/status/chips';
import { ThemeButton } from '@/features/settings/theme-button';
import { useText } from '@/i18n';
import { useSession } from '@/state/session';
import { IconButton } from '@/ui/button';

const AccountMenu = lazy(() =>
  import('@/features/accounts/account-menu').then((module) => ({ default: module.AccountMenu })),
);

/** The bar at the top of every page. */
export function TopBar({ notebook, children }: { notebook?: Notebook; children?: ReactNode }) {
  const text = useText();
  const [settings, setSettings] = useState(false);
  const session = useSession();
  return (
    <header className="flex h-14 shrink-0 items-center gap-2 ps-4 pe-3">
      <Link href="/" aria-label={text.toHome} title={text.toHome} className="shrink-0 rounded-lg">
        <img src="/icon.svg" alt="" width={28} height={28} />
      </Link>
      <div className="flex min-w-0 flex-1 items-center ps-1">
        {children ?? <span className="font-serif text-lg font-semibold">{text.appName}</span>}
      </div>
      <ConnectionChip />
      <ModelChip />
      <ThemeButton />
      <IconButton label={text.settings} onClick={() => setSettings(true)}>
        <Settings size={18} aria-hidden />
      </IconButton>
      {session && (
        <Suspense fallback={<span className="size-9 shrink-0" />}>
          <AccountMenu now={session} />
        </Suspense>
      )}
      {settings && <SettingsDialog {...(notebook ? { notebook } : {})} onClose={() => setSettings(false)} />}
    </header>
  );
}
