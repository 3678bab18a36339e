import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { applyPreferences } from '@/state/preferences';
import '../styles.css';
import { Reference } from './reference';

applyPreferences();
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Reference />
    </StrictMode>,
  );
}
