import { useEffect } from 'react';
import { TopBar } from '@/features/notebooks/top-bar';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { PaneBoundary } from '@/ui/feedback';
import { ReportsSection } from './reports-section';

/** The reports of wrong refusals where nobody has an account: whoever is here looks after the server. */
export function ReportsPage() {
  const text = useAccountText();
  const { appName } = useText();
  useEffect(() => {
    document.title = `${text.reports} · ${appName}`;
  }, [text, appName]);
  return (
    <div className="flex min-h-full flex-col">
      <TopBar />
      <main className="mx-auto w-full max-w-3xl flex-1 px-5 pt-6 pb-16 md:px-8 md:pt-12">
        <PaneBoundary>
          <ReportsSection />
        </PaneBoundary>
      </main>
    </div>
  );
}
