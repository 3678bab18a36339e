import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Gate } from '@/features/accounts/gate';
import { applyPreferences } from '@/state/preferences';
import { startSession } from '@/state/session';
import { App } from './app';
import './styles.css';

applyPreferences();
startSession();
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Gate>
        <App />
      </Gate>
    </StrictMode>,
  );
}
