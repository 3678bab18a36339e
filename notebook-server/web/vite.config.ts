import react from '@vitejs/plugin-react';
import tailwindcss from '@tailwindcss/vite';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { '@': at('./src') } },
  build: {
    target: 'es2022',
    // The page's content policy allows no data: fonts, and hashed names cache for ever.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: { index: at('./index.html'), docs: at('./docs.html') } },
  },
  server: {
    proxy: {
      '/api': process.env['NOTEBOOK_API'] ?? 'http://127.0.0.1:4310',
      '/openapi.json': process.env['NOTEBOOK_API'] ?? 'http://127.0.0.1:4310',
    },
  },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}'], restoreMocks: true },
});
