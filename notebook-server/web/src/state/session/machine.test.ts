import { describe, expect, it } from 'vitest';
import type { Session } from '@/api/session';
import { Problem } from '@/api/problem';
import { leaseOf } from './lease';
import {
  type Event,
  type Message,
  type SignedIn,
  type State,
  isTaken,
  nextMove,
  remedy,
  start,
  step,
  telling,
} from './machine';

const LIFE = 900_000;
const at = (time: number) => ({ wall: time, steady: time });
const sessionOf = (user: string, ends: number, workspace = `w-${user}`): Session => ({
  user: { id: user, email: `${user}@example.org`, name: user },
  workspace: { id: workspace, kind: 'personal', name: 'Mine', role: 'admin' },
  permissions: ['notebook.read'],
  expires_at: ends,
  session_ends_at: 10 * LIFE,
});
const leaseUntil = (ends: number, now: number) => leaseOf(ends, null, at(now), at(now));
const granted = (ends: number, now = ends - LIFE, user = 'ada', workspace?: string): Event => ({
  kind: 'granted',
  session: sessionOf(user, ends, workspace),
  lease: leaseUntil(ends, now),
});
const told = (ends: number, now: number, user = 'ada'): Event => ({
  kind: 'heard',
  message: { kind: 'session', session: sessionOf(user, ends), expiresAt: ends, left: ends - now, wall: now },
  now: at(now),
});
const ended = (user: string): Event => ({ kind: 'heard', message: { kind: 'ended', user }, now: at(0) });
const hold = { problem: new Problem('busy', 'Later.', 503), failures: 1, wait: 4_000, at: at(0) };
const run = (state: State, ...events: Event[]): State => events.reduce(step, state);
const accounts: Event = { kind: 'mode', auth: { mode: 'accounts', registration: 'open' } };
const signedIn = run(start, accounts, granted(LIFE)) as SignedIn;

describe('the start', () => {
  it('asks nothing more where nobody signs in', () => {
    const state = step(start, { kind: 'mode', auth: { mode: 'single_user' } });
    expect(state).toEqual({ kind: 'single_user' });
    expect(run(state, granted(LIFE), told(LIFE, 0), { kind: 'left' })).toBe(state);
  });

  it('asks who is signed in, tries one renewal, then shows the sign-in', () => {
    const asked = step(start, accounts);
    const cause = { kind: 'start', ended: false } as const;
    expect(nextMove(asked, cause, 'unasked', at(0))).toBe('ask');
    expect(nextMove(asked, cause, 'nobody', at(0))).toBe('refresh');
    const out = step(asked, { kind: 'nobody' });
    expect(out).toEqual({ kind: 'signed_out', registration: 'open' });
    expect(nextMove(out, cause, 'nobody', at(0))).toBe('stop');
  });

  it('does not try to bring back a session that ended in this tab: no loop of signing out', () => {
    const cause = { kind: 'start', ended: true } as const;
    expect(nextMove(step(start, accounts), cause, 'nobody', at(0))).toBe('stop');
    expect(isTaken(cause, leaseUntil(LIFE, LIFE - 1_000), at(LIFE - 1_000))).toBe(false);
    expect(isTaken(cause, leaseUntil(LIFE, 0), at(0))).toBe(true);
  });

  it('goes on from where a lost reply left it', () => {
    const lost = run(start, accounts, { kind: 'failed', problem: hold.problem });
    expect(lost).toMatchObject({ kind: 'unreachable', registration: 'open' });
    expect(run(lost, { kind: 'again' }, granted(LIFE))).toMatchObject({ kind: 'signed_in' });
  });

  it('is signed in by another tab', () => {
    expect(run(start, accounts, { kind: 'nobody' }, told(LIFE, 0))).toMatchObject({
      kind: 'signed_in',
      turn: 1,
    });
  });
});

describe('a renewal', () => {
  it('counts once, whoever tells it and in whatever order (R35)', () => {
    const events = [granted(2 * LIFE), told(2 * LIFE, LIFE), granted(LIFE), told(LIFE, 0), granted(3 * LIFE)];
    for (const order of permutations(events)) {
      const state = run(signedIn, ...order) as SignedIn;
      expect(state.lease.expiresAt).toBe(3 * LIFE);
      expect(state.session.expires_at).toBe(3 * LIFE);
      expect(state.turn).toBeLessThanOrEqual(3);
    }
  });

  it('that was refused after another tab was given one signs nobody out (R33)', () => {
    const state = step(signedIn, told(2 * LIFE, LIFE));
    expect(step(state, { kind: 'refused', asked: 1 })).toBe(state);
    expect(step(state, { kind: 'refused', asked: 2 })).toEqual({ kind: 'gone', why: 'ended' });
  });

  it('that did not come about keeps the session, and asks again only after a while', () => {
    const state = step(signedIn, { kind: 'delayed', hold });
    expect(state).toMatchObject({ kind: 'signed_in', session: signedIn.session });
    expect(remedy(state, 1, at(3_999))).toEqual({ kind: 'wait', problem: hold.problem });
    expect(remedy(state, 1, at(4_000))).toEqual({ kind: 'renew' });
    expect((step(state, granted(2 * LIFE)) as SignedIn).hold).toBeNull();
  });

  it('is left to the server’s pace in all tabs', () => {
    const event: Event = { kind: 'delayed', hold };
    const message = telling(signedIn, event, step(signedIn, event), at(0)) as Message;
    const other = step(signedIn, { kind: 'heard', message, now: at(100) });
    expect(remedy(other, 1, at(4_000))).toMatchObject({ kind: 'wait', problem: { status: 503 } });
  });

  it('is asked for once by the tab that has the lock, unless another tab was first', () => {
    const due = at(LIFE - 1_000);
    expect(nextMove(signedIn, { kind: 'due' }, 'unasked', due)).toBe('ask');
    expect(nextMove(signedIn, { kind: 'due' }, 'session', due)).toBe('refresh');
    const renewed = step(signedIn, granted(2 * LIFE, due.wall));
    expect(nextMove(renewed, { kind: 'due' }, 'session', due)).toBe('stop');
    const met = { kind: 'unauthorized', turn: 1 } as const;
    expect(nextMove(signedIn, met, 'unasked', at(0))).toBe('ask');
    expect(nextMove(signedIn, met, 'session', at(0))).toBe('stop');
    expect(nextMove(signedIn, met, 'nobody', at(0))).toBe('refresh');
    expect(nextMove(renewed, met, 'unasked', at(0))).toBe('stop');
  });

  it('lets a request that was overtaken by it go again without another', () => {
    expect(remedy(step(signedIn, granted(2 * LIFE)), 1, at(0))).toEqual({ kind: 'again' });
  });
});

describe('the end', () => {
  it('is the same in all tabs, and nothing comes after it', () => {
    const out = step(signedIn, { kind: 'left' });
    expect(telling(signedIn, { kind: 'left' }, out, at(0))).toEqual({ kind: 'ended', user: 'ada' });
    expect(step(signedIn, ended('ada'))).toEqual({ kind: 'gone', why: 'ended' });
    expect(run(out, granted(2 * LIFE), told(2 * LIFE, 0), { kind: 'delayed', hold })).toBe(out);
    expect(remedy(out, 1, at(0))).toEqual({ kind: 'over' });
  });

  it('of one user’s session is not that of the next', () => {
    expect(step(signedIn, ended('grace'))).toBe(signedIn);
  });

  it('comes when another user or workspace is told', () => {
    const events = [
      granted(2 * LIFE, 0, 'grace'),
      told(2 * LIFE, 0, 'grace'),
      granted(2 * LIFE, 0, 'ada', 'team'),
    ];
    for (const event of events) {
      const after = step(signedIn, event);
      expect(after).toEqual({ kind: 'gone', why: 'changed' });
    }
    const change = granted(2 * LIFE, 0, 'ada', 'team');
    expect(telling(signedIn, change, step(signedIn, change), at(0))).toMatchObject({ kind: 'session' });
    expect(telling(signedIn, ended('ada'), step(signedIn, ended('ada')), at(0))).toBeNull();
  });
});

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) =>
    permutations(items.filter((_, other) => other !== index)).map((rest) => [item, ...rest]),
  );
}
