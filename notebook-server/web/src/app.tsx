import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Suspense, lazy } from 'react';
import { Redirect, Route, Switch } from 'wouter';
import { Problem } from '@/api/problem';
import { Home } from '@/features/notebooks/home';
import { useText } from '@/i18n';
import { isUuid } from '@/lib/uuid';
import { announcement } from '@/state/announcer';
import { useSession } from '@/state/session';
import { useStore } from '@/state/store';
import { PaneBoundary, Spinner } from '@/ui/feedback';

const NotebookPage = lazy(() =>
  import('@/features/notebooks/notebook-page').then((module) => ({ default: module.NotebookPage })),
);

const AccountPage = lazy(() =>
  import('@/features/accounts/account-page').then((module) => ({ default: module.AccountPage })),
);

const ReportsPage = lazy(() =>
  import('@/features/accounts/reports-page').then((module) => ({ default: module.ReportsPage })),
);

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => count < 2 && (!(error instanceof Problem) || error.retryable),
    },
  },
});

/** Tells screen readers, politely, what was announced last. */
function LiveRegion() {
  return (
    <div role="status" aria-live="polite" className="sr-only" data-testid="live-region">
      {useStore(announcement)}
    </div>
  );
}

export function App() {
  const text = useText();
  const session = useSession();
  return (
    <QueryClientProvider client={queries}>
      <PaneBoundary>
        <Suspense fallback={<Spinner label={text.loading} className="p-8" />}>
          <Switch>
            <Route path="/">
              <Home />
            </Route>
            <Route path="/n/:id">
              {({ id }) => (isUuid(id) ? <NotebookPage key={id} id={id} /> : <Redirect to="/" replace />)}
            </Route>
            <Route path="/reports">
              {session ? <Redirect to="/account/reports" replace /> : <ReportsPage />}
            </Route>
            {session && (
              <Route path="/account/:section?">
                {({ section }) => <AccountPage now={session} path={section ?? ''} />}
              </Route>
            )}
            <Route>
              <Redirect to="/" replace />
            </Route>
          </Switch>
        </Suspense>
      </PaneBoundary>
      <LiveRegion />
    </QueryClientProvider>
  );
}
