import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import type { ModelState } from '@/api/breakers';
import { Breakers } from './breakers';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const models: ModelState[] = [
  { model: 'openai/one', route: 'answers', forced: false, state: 'open', open_millis: 9_000 },
  { model: 'openai/two', route: 'embeddings', forced: true, state: 'closed', open_millis: 0 },
];

const show = (operator: boolean) =>
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Breakers models={models} operator={operator} />
    </QueryClientProvider>,
  );

test('c2 everybody sees how models stand, and only operators can set them', async () => {
  const { unmount } = show(false);
  const states = [...document.querySelectorAll('[data-state]')];
  expect(states.map((state) => state.getAttribute('data-state'))).toEqual(['open', 'closed']);
  expect(screen.queryByRole('combobox')).toBeNull();
  unmount();

  const call = vi.fn(() => Promise.resolve(new Response('{}', { status: 200 })));
  vi.stubGlobal('fetch', call);
  show(true);
  const one = screen.getByRole('combobox', { name: /openai\/one/ });
  expect(one).toHaveProperty('value', 'auto');
  expect(screen.getByRole('combobox', { name: /openai\/two/ })).toHaveProperty('value', 'closed');
  await userEvent.selectOptions(one, 'open');
  const [path, init] = call.mock.calls[0] as unknown as [string, RequestInit];
  expect([path, init.method]).toEqual(['/api/breakers', 'PUT']);
  expect(JSON.parse(init.body as string)).toEqual({ route: 'answers', model: 'openai/one', state: 'open' });
  expect(screen.queryByRole('alert')).toBeNull();
});

test('c2 a breaker that cannot be set is told', async () => {
  const refusal = new Response('{"code":"forbidden"}', { status: 403 });
  vi.stubGlobal('fetch', () => Promise.resolve(refusal));
  show(true);
  await userEvent.selectOptions(screen.getByRole('combobox', { name: /openai\/one/ }), 'closed');
  expect(await screen.findByRole('alert')).toBeTruthy();
});
