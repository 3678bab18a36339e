import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Problem } from '@/api/problem';
import { LIFE, type World, chance, world } from './world';

async function opened(count: number, seed: number): Promise<World> {
  const here = world(count, seed);
  const all = Promise.all(here.tabs.map((tab) => tab.begin(false)));
  await vi.advanceTimersByTimeAsync(60_000);
  await all;
  return here;
}

const kinds = (here: World): string[] => here.tabs.map((tab) => tab.state.get().kind);
const all = (count: number, kind: string): string[] => Array.from({ length: count }, () => kind);

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('eight tabs', () => {
  it('renew once an expiry by the clock, in the tab that leads', async () => {
    const here = await opened(8, 1);
    here.tabs[3]!.lead();
    await vi.advanceTimersByTimeAsync(50 * LIFE);
    // Each renewal is a minute, and by chance a little more, before the end.
    expect(here.renewals).toBeGreaterThanOrEqual(50);
    expect(here.renewals).toBeLessThanOrEqual(54);
    expect(kinds(here)).toEqual(all(8, 'signed_in'));
  });

  it.each([2, 3, 4])(
    'whose requests all meet 401 renew once, each request goes again once (R34, R45, seed %i)',
    async (seed) => {
      const here = await opened(8, seed);
      for (let round = 1; round <= 25; round += 1) {
        here.server.ends = Date.now() - 1;
        const asked = here.tabs.flatMap((tab) => [here.ask(tab), here.ask(tab), here.ask(tab)]);
        await vi.advanceTimersByTimeAsync(20_000);
        await Promise.all(asked);
        expect(here.renewals).toBe(round);
      }
      expect(kinds(here)).toEqual(all(8, 'signed_in'));
    },
  );

  it('lose replies and stay signed in (R5)', async () => {
    const here = await opened(8, 5);
    const random = chance(6);
    here.tabs[0]!.lead();
    here.server.lost = () => random() < 0.3;
    for (let round = 0; round < 40; round += 1) {
      const asked = here.tabs.map((tab) => here.ask(tab).catch(() => undefined));
      await vi.advanceTimersByTimeAsync(LIFE / 2);
      await Promise.all(asked);
    }
    expect(here.refused).toBe(0);
    expect(kinds(here)).toEqual(all(8, 'signed_in'));
  });

  it('are all signed out by one, and none asks for a renewal after that', async () => {
    const here = await opened(8, 7);
    const pending = here.ask(here.tabs[2]!).catch((error: unknown) => (error as Error).name);
    await here.tabs[5]!.signOut();
    await vi.advanceTimersByTimeAsync(5_000);
    expect([undefined, 'AbortError']).toContain(await pending);
    expect(kinds(here)).toEqual(all(8, 'gone'));
    expect(here.tabs.every((tab) => tab.signal.aborted)).toBe(true);
    // The request that was under way may have asked before it heard.
    const { refused } = here;
    expect(refused).toBeLessThanOrEqual(1);
    await vi.advanceTimersByTimeAsync(10 * LIFE);
    expect([here.renewals, here.refused]).toEqual([0, refused]);
  });

  it('learn of a session that was ended elsewhere by one refusal', async () => {
    const here = await opened(8, 8);
    here.server.alive = false;
    const asked = here.tabs.map((tab) => here.ask(tab).catch((error: unknown) => (error as Error).name));
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await Promise.all(asked)).toEqual(all(8, 'AbortError'));
    expect(kinds(here)).toEqual(all(8, 'gone'));
    expect(here.refused).toBeLessThanOrEqual(8);
  });
});

describe('a server that cannot renew', () => {
  it.each([503, 429, 0])(
    'with status %i ends no session, and is asked less and less often',
    async (status) => {
      const here = await opened(3, 9);
      here.tabs[0]!.lead();
      here.server.broken = status;
      await vi.advanceTimersByTimeAsync(LIFE);
      const failed = here.ask(here.tabs[1]!).catch((error: unknown) => (error as Problem).status);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(await failed).toBe(status);
      expect(kinds(here)).toEqual(all(3, 'signed_in'));
      here.server.broken = null;
      await vi.advanceTimersByTimeAsync(61_000);
      expect(here.renewals).toBe(1);
      const asked = here.tabs.map((tab) => here.ask(tab));
      await vi.advanceTimersByTimeAsync(5_000);
      await Promise.all(asked);
      expect(here.renewals).toBe(1);
    },
  );
});

describe('a tab that was frozen', () => {
  it('with the lock in its hands does not stop the others', async () => {
    const here = await opened(2, 10);
    here.server.ends = Date.now() - 1;
    here.locks.freeze();
    const first = here.ask(here.tabs[0]!);
    await vi.advanceTimersByTimeAsync(10_000);
    await first;
    here.server.ends = Date.now() - 1;
    const second = here.ask(here.tabs[1]!);
    await vi.advanceTimersByTimeAsync(60_000);
    await expect(second).resolves.toBeUndefined();
  });

  it('does not keep others from starting', async () => {
    const here = world(1, 14);
    void here.locks.request('notebook.session', {}, () => new Promise(() => undefined));
    void here.tabs[0]!.begin(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(kinds(here)).toEqual(['signed_in']);
  });

  it('renews when it is seen again after a sleep', async () => {
    const here = await opened(1, 11);
    vi.setSystemTime(Date.now() + 5 * LIFE);
    here.tabs[0]!.look();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(here.renewals).toBe(1);
    here.tabs[0]!.look();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(here.renewals).toBe(1);
  });
});

describe('a server that does not say how long a session is', () => {
  it('is asked to renew it soon, by the tab that leads', async () => {
    const here = world(4, 15);
    here.server.tells = false;
    void Promise.all(here.tabs.map((tab) => tab.begin(false)));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(kinds(here)).toEqual(all(4, 'signed_in'));
    here.tabs[2]!.lead();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(here.renewals).toBe(1);
    await vi.advanceTimersByTimeAsync(10 * LIFE);
    expect(here.renewals).toBeGreaterThanOrEqual(11);
    expect(here.renewals).toBeLessThanOrEqual(12);
    const reload = here.tabs[0]!.reload();
    await vi.advanceTimersByTimeAsync(1_000);
    await reload;
    expect(here.tabs[0]!.isFresh()).toBe(true);
  });
});

describe('signing in and changing', () => {
  it('takes a session, and tells the other tabs', async () => {
    const here = world(2, 12);
    here.server.alive = false;
    const begun = Promise.all(here.tabs.map((tab) => tab.begin(true)));
    await vi.advanceTimersByTimeAsync(10_000);
    await begun;
    expect(kinds(here)).toEqual(['signed_out', 'signed_out']);
    expect(here.refused).toBe(0);
    here.server.alive = true;
    const reload = here.tabs[0]!.reload();
    await vi.advanceTimersByTimeAsync(5_000);
    await reload;
    expect(kinds(here)).toEqual(['signed_in', 'signed_in']);
  });

  it('another user’s session is the end of this page', async () => {
    const here = await opened(2, 13);
    here.server.user = 'grace';
    const reload = here.tabs[0]!.reload();
    await vi.advanceTimersByTimeAsync(5_000);
    await reload;
    expect(here.tabs.map((tab) => tab.state.get())).toEqual([
      { kind: 'gone', why: 'changed' },
      { kind: 'gone', why: 'changed' },
    ]);
  });
});
