import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { afterEach, expect, test, vi } from 'vitest';
import { mcp } from '@/api/endpoints';
import type { McpServer } from '@/api/mcp';
import { McpChoice } from './mcp-choice';

afterEach(cleanup);

const server = (name: string, more: Partial<McpServer>): McpServer => ({
  name,
  status: 'connected',
  since: 0,
  tools: [],
  not_offered: 0,
  refused: [],
  ...more,
});

function Holder({ tell }: { tell: (names: string[]) => void }) {
  const [chosen, choose] = useState(['gone']);
  const change = (names: string[]): void => {
    choose(names);
    tell(names);
  };
  return <McpChoice chosen={chosen} onChange={change} />;
}

test('d4 the servers are shown with their status, and a notebook allows those that are switched on', async () => {
  const tool = { name: 'files__read', tool: 'read', description: 'Reads <b>x</b>.', class: 'read' } as const;
  vi.spyOn(mcp, 'list').mockResolvedValue({
    items: [
      server('files', { tools: [tool] }),
      server('web', { status: 'error', reason: 'the program ended (exit status: 1)' }),
    ],
  });
  const told = vi.fn();
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Holder tell={told} />
    </QueryClientProvider>,
  );
  const files = await screen.findByRole('checkbox', { name: /files/ });
  expect(files).toHaveProperty('checked', false);
  expect(screen.getByText('the program ended (exit status: 1)')).toBeTruthy();
  const states = [...document.querySelectorAll('[data-status]')];
  expect(states.map((state) => state.getAttribute('data-status'))).toEqual(['connected', 'error']);
  // What a server says of its tools is text, and nothing else.
  expect(document.querySelector('b')).toBeNull();
  await userEvent.click(files);
  expect(told).toHaveBeenLastCalledWith(['files', 'gone']);
  await userEvent.click(screen.getByRole('checkbox', { name: /gone/ }));
  expect(told).toHaveBeenLastCalledWith(['files']);
  expect(screen.queryByRole('checkbox', { name: /gone/ })).toBeNull();
});

test('d4 the page says which tools are left out and why, also where none is left', async () => {
  const why = 'bad: its definition cannot be read: invalid type: <i>string</i>';
  vi.spyOn(mcp, 'list').mockResolvedValue({
    items: [
      server('files', { not_offered: 2, refused: [why, 'x: another tool before it has the same name'] }),
    ],
  });
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Holder tell={vi.fn()} />
    </QueryClientProvider>,
  );
  expect(await screen.findByText(why)).toBeTruthy();
  expect(screen.getByText('x: another tool before it has the same name')).toBeTruthy();
  expect(document.querySelector('i')).toBeNull();
});
