import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { applyPreferences } from '@/state/preferences';
import { App } from './app';
import './styles.css';

applyPreferences();
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
