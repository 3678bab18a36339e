import {
  Building2,
  KeyRound,
  MonitorSmartphone,
  ScrollText,
  ShieldQuestionMark,
  UserRound,
  Users,
  type LucideIcon,
} from 'lucide-react';
import { type ComponentType, useEffect } from 'react';
import { Link, Redirect } from 'wouter';
import type { Permission, Session } from '@/api/session';
import { TopBar } from '@/features/notebooks/top-bar';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import type { AccountDictionary } from '@/i18n/accounts/en';
import { cx } from '@/lib/cx';
import { PaneBoundary } from '@/ui/feedback';
import { AuditSection } from './audit-section';
import { KeysSection } from './keys-section';
import { MembersSection } from './members-section';
import { ProfileSection } from './profile-section';
import { ReportsSection } from './reports-section';
import { SessionsSection } from './sessions-section';
import { WorkspaceSection } from './workspace-section';

export interface SectionProps {
  now: Session;
}

interface Section {
  path: string;
  icon: LucideIcon;
  title: (text: AccountDictionary) => string;
  /** Without it the section is not offered. */
  needs?: Permission;
  body: ComponentType<SectionProps>;
}

const sections: readonly Section[] = [
  { path: 'profile', icon: UserRound, title: (text) => text.profile, body: ProfileSection },
  { path: 'sessions', icon: MonitorSmartphone, title: (text) => text.sessions, body: SessionsSection },
  {
    path: 'keys',
    icon: KeyRound,
    title: (text) => text.keys,
    needs: 'api_key.create',
    body: KeysSection,
  },
  { path: 'workspace', icon: Building2, title: (text) => text.workspace, body: WorkspaceSection },
  { path: 'members', icon: Users, title: (text) => text.members, needs: 'member.read', body: MembersSection },
  { path: 'audit', icon: ScrollText, title: (text) => text.audit, needs: 'audit.read', body: AuditSection },
  {
    path: 'reports',
    icon: ShieldQuestionMark,
    title: (text) => text.reports,
    needs: 'audit.read',
    body: ReportsSection,
  },
];

/** Where the sections stand in a row, the current one may be beyond its end. */
const reveal = (link: HTMLAnchorElement | null): void =>
  link?.scrollIntoView({ block: 'nearest', inline: 'nearest' });

/** One's account and the workspace that one acts in. */
export function AccountPage({ now, path }: { now: Session; path: string }) {
  const text = useAccountText();
  const common = useText();
  const offered = sections.filter(({ needs }) => !needs || now.permissions.includes(needs));
  const section = offered.find((each) => each.path === path);
  const title = section?.title(text) ?? text.account;
  useEffect(() => {
    document.title = `${title} · ${common.appName}`;
  }, [title, common]);
  if (!section) return <Redirect to="/account/profile" replace />;
  const Body = section.body;
  return (
    <div className="flex min-h-full flex-col">
      <TopBar />
      <div className="mx-auto grid w-full max-w-5xl flex-1 content-start gap-x-12 gap-y-6 px-5 pt-6 pb-16 md:grid-cols-[13rem_minmax(0,1fr)] md:px-8 md:pt-12">
        <nav
          aria-label={text.account}
          className="-mx-5 flex gap-1 overflow-x-auto px-5 pb-1 md:mx-0 md:flex-col md:px-0"
        >
          {offered.map(({ path: to, icon: Icon, title: name }) => (
            <Link
              key={to}
              href={`/account/${to}`}
              aria-current={to === path ? 'page' : undefined}
              ref={to === path ? reveal : null}
              className={cx(
                'flex shrink-0 items-center gap-2.5 rounded-lg px-3 py-2 text-sm whitespace-nowrap transition-colors',
                to === path ? 'bg-wash font-medium text-ink' : 'text-soft hover:bg-wash/60 hover:text-ink',
              )}
            >
              <Icon size={17} strokeWidth={1.8} aria-hidden className={to === path ? 'text-accent' : ''} />
              {name(text)}
            </Link>
          ))}
        </nav>
        <main className="min-w-0">
          <PaneBoundary key={path}>
            <Body now={now} />
          </PaneBoundary>
        </main>
      </div>
    </div>
  );
}
