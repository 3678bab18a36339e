// One session in many tabs of a real browser: H3, R34. Against the mock, whose clock and faults a test can turn.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { choose, openAccounts, openBrowser, openPage, shot, signIn, signUp } from './browser.mjs';
import { Refusal } from '../mock/http.mjs';

const ada = { name: 'Ada Lovelace', email: 'ada@example.org', password: 'ninety percent engines' };
const grace = { name: 'Grace Hopper', email: 'grace@example.org', password: 'a nanosecond of wire' };
const MINUTE = 60_000;
const LIFE = 15 * MINUTE;

let browser;
let mock;
let complaints;
/** How far the clock of server and tabs is ahead of the real one. */
let ahead;

beforeEach(async () => {
  browser = await openBrowser();
  ahead = 0;
  complaints = [];
});

afterEach(async () => {
  await browser.close();
  await mock.stop();
  assert.deepEqual(complaints, []);
});

async function context() {
  return browser.newContext({ viewport: { width: 1100, height: 760 }, locale: 'en-GB' });
}

async function tab(where) {
  const opened = await openPage(where);
  complaints = [...complaints, ...opened.complaints];
  opened.page.on('pageerror', (error) => complaints.push(error.message));
  return opened.page;
}

const signedIn = (page) => page.getByRole('button', { name: /, in / }).waitFor();
const counts = () => mock.accounts.counts;

/** A moment in which a page reads what it has got. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 25));

/** Waits until something holds of the mock. */
async function until(holds, what) {
  for (let i = 0; i < 400; i += 1) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(what());
}

test('eight tabs over 200 expiries: one renewal each, nobody is signed out (H3, R34)', async (t) => {
  mock = await openAccounts({ now: () => Date.now() + ahead });
  const where = await context();
  await where.clock.install();
  const first = await tab(where);
  await signUp(first, mock.url, ada);
  const tabs = [first, ...(await Promise.all(Array.from({ length: 7 }, () => tab(where))))];
  await Promise.all(tabs.slice(1).map((page) => page.goto(mock.url)));
  await Promise.all(tabs.map(signedIn));
  let loads = 0;
  for (const page of tabs) page.on('framenavigated', () => (loads += 1));
  let answered = 0;
  where.on('requestfinished', (request) => {
    if (request.url().endsWith('/api/auth/refresh')) answered += 1;
  });
  const start = { ...counts() };
  const met = { clock: 0, unauthorized: 0 };
  // The clock belongs to the context: one step is one for all tabs.
  const pass = async (time) => {
    ahead += time;
    await where.clock.fastForward(time);
  };
  for (let expiry = 1; expiry <= 200; expiry += 1) {
    // Every fourth time all machines sleep past the end, and whatever the tabs then ask meets 401.
    const sleep = expiry % 4 === 0;
    met[sleep ? 'unauthorized' : 'clock'] += 1;
    await pass(sleep ? LIFE + 5 * MINUTE : LIFE - MINUTE / 2);
    const renewed = () => counts().refresh - start.refresh >= expiry;
    const said = () => `expiry ${expiry}: ${answered} answered, ${JSON.stringify(counts())}`;
    // Where the clock was put forward before the tab had read its last reply, its token's life begins there.
    for (let i = 0; i < 120 && !renewed(); i += 1) await settled();
    if (!renewed()) await pass(LIFE);
    await until(renewed, said);
    await until(() => answered >= expiry, said);
    await settled();
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.diagnostic(JSON.stringify({ ...counts(), ...met }));
  assert.equal(counts().refresh - start.refresh, 200, 'one renewal for all tabs and each expiry');
  assert.equal(counts().refused, start.refused);
  assert.equal(loads, 0, 'no tab was loaded anew');
  await Promise.all(tabs.map(signedIn));
});

test('short tokens by the real clock: renewed in time, in one tab', async () => {
  mock = await openAccounts({ accessLife: 2_500 });
  const where = await context();
  const first = await tab(where);
  await signUp(first, mock.url, ada);
  const second = await tab(where);
  await second.goto(mock.url);
  await signedIn(second);
  const before = { ...counts() };
  await first.waitForTimeout(7_000);
  const renewals = counts().refresh - before.refresh;
  assert.ok(renewals >= 3 && renewals <= 5, `${renewals} renewals in 7 s`);
  // Whoever leads is followed by another when it goes.
  await first.close();
  const after = counts().refresh;
  await second.waitForTimeout(4_500);
  assert.ok(counts().refresh - after >= 2, 'the other tab took over');
  await signedIn(second);
});

test('a server that cannot renew signs nobody out, and the page goes on when it can', async () => {
  mock = await openAccounts({ now: () => Date.now() + ahead });
  const where = await context();
  await where.clock.install();
  const page = await tab(where);
  await signUp(page, mock.url, ada);
  const { refused } = counts();
  const cookies = async () =>
    (await where.cookies()).filter(({ name }) => /refresh/.test(name)).map(({ value }) => value);
  const before = await cookies();
  for (const fault of [
    new Refusal(503, 'unavailable', 'Later.'),
    new Refusal(429, 'too_many', 'Slow.'),
    'lost',
  ]) {
    let tried = 0;
    mock.accounts.fault = (_, path) => {
      if (!/refresh/.test(path)) return undefined;
      tried += 1;
      return fault;
    };
    ahead += LIFE;
    await where.clock.fastForward(LIFE);
    await until(
      () => tried > 0,
      () => 'no renewal was tried',
    );
    await page.getByText('Reconnecting').waitFor();
    if (fault !== 'lost') assert.deepEqual(await cookies(), before, 'the cookies are as they were');
    mock.accounts.fault = () => undefined;
    ahead += MINUTE;
    await where.clock.fastForward(MINUTE);
    await page.getByText('Reconnecting').waitFor({ state: 'detached' });
    before.splice(0, 1, ...(await cookies()));
  }
  await signedIn(page);
  assert.equal(counts().refused, refused);
});

test('signing out in one tab signs out all, ends their streams and leaves nothing', async () => {
  mock = await openAccounts();
  const where = await context();
  const tabs = [await tab(where), await tab(where), await tab(where)];
  await signUp(tabs[0], mock.url, ada);
  await Promise.all(tabs.slice(1).map((page) => page.goto(mock.url)));
  // One tab reads a notebook's events.
  await tabs[1].bringToFront();
  await tabs[1].getByRole('button', { name: 'New notebook' }).first().click();
  await tabs[1].getByRole('button', { name: 'Paste text' }).first().click();
  await tabs[1]
    .getByRole('dialog')
    .getByLabel('Text', { exact: true })
    .fill('Secret of Ada: the tide turns.');
  await tabs[1].getByRole('button', { name: 'Add text' }).click();
  await tabs[1].getByTestId('source').waitFor();
  // Another has a draft, which is kept in the browser.
  await tabs[2].bringToFront();
  await tabs[2].getByRole('button', { name: 'New notebook' }).first().click();
  await tabs[2].getByRole('heading', { name: 'Start with a source' }).waitFor();
  const kept = (page) => page.evaluate(() => Object.keys(localStorage).filter((key) => /personal/.test(key)));
  assert.equal((await kept(tabs[2])).length, 1);
  const { state } = [...mock.accounts.workspaces.values()][0];
  const streams = () => [...state.listeners.values()].reduce((sum, set) => sum + set.size, 0);
  assert.equal(streams(), 1);

  const refreshes = counts().refresh;
  await choose(tabs[0], 'Sign out');
  await Promise.all(tabs.map((page) => page.getByRole('heading', { name: 'Sign in' }).waitFor()));
  await shot(tabs[0], 'signed-out');
  await until(
    () => streams() === 0,
    () => `${streams()} streams are still read`,
  );
  for (const page of tabs) assert.deepEqual(await kept(page), []);
  assert.equal((await where.cookies()).length, 0);
  assert.equal(counts().refresh, refreshes, 'nobody tried to bring the session back');
  assert.equal(mock.accounts.sessions.size, 0);
});

test('uploads, downloads and event streams go on after 401', async () => {
  mock = await openAccounts({ now: () => Date.now() + ahead });
  const where = await context();
  await where.clock.install();
  const page = await tab(where);
  await signUp(page, mock.url, ada);
  await page.getByRole('button', { name: 'New notebook' }).first().click();
  const add = (name) =>
    page
      .getByTestId('file-input')
      .setInputFiles([{ name, mimeType: 'text/plain', buffer: Buffer.from(name) }]);
  await add('first.txt');
  await page.locator('[data-testid=source][data-stage=ready]').waitFor();
  const { state } = [...mock.accounts.workspaces.values()][0];
  const end = () => {
    for (const session of mock.accounts.sessions.values()) session.access.clear();
  };
  const met = [];
  page.on('response', (reply) =>
    met.push(`${reply.status()} ${new URL(reply.url()).pathname.split('/').at(-1)}`),
  );

  // The tokens are taken back early, as after a change of role: only the server knows.
  end();
  await add('second.txt');
  await page.locator('[data-testid=source][data-stage=ready]').nth(1).waitFor();
  assert.deepEqual(met.filter((each) => /sources$/.test(each)).slice(0, 2), ['401 sources', '202 sources']);
  assert.equal(met.filter((each) => each === '200 refresh').length, 1);

  // The stream is cut and meets 401 when it is opened again.
  end();
  const readers = [...state.listeners.values()][0];
  const reopened = page.waitForResponse((reply) => /events$/.test(reply.url()) && reply.ok());
  mock.cut();
  await reopened;
  await until(
    () => readers.size === 1,
    () => 'no stream is read',
  );
  await page.getByText('Reconnecting').waitFor({ state: 'detached' });

  // The browser fetches a file by itself; after a sleep the session is renewed before that.
  await page.getByRole('button', { name: 'Actions for first.txt' }).click();
  const item = page.getByRole('menuitem', { name: 'Download the original' });
  await item.waitFor();
  ahead += 2 * LIFE;
  await where.clock.setSystemTime(Date.now() + ahead);
  const download = page.waitForEvent('download');
  await item.click();
  assert.equal(await readFile(await (await download).path(), 'utf8'), 'first.txt');
});

test('two users after each other in one browser see nothing of each other', async () => {
  mock = await openAccounts();
  const where = await context();
  const page = await tab(where);
  const other = await tab(where);
  await signUp(page, mock.url, ada);
  await page.getByRole('button', { name: 'New notebook' }).first().click();
  await page.getByRole('button', { name: 'Paste text' }).first().click();
  await page.getByRole('dialog').getByLabel('Text', { exact: true }).fill('Canary of Ada: the tide turns.');
  await page.getByRole('button', { name: 'Add text' }).click();
  await page.getByTestId('source').waitFor();
  const notebook = page.url();
  await other.goto(notebook);
  await other.getByTestId('source').waitFor();
  await choose(page, 'Sign out');
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await other.getByRole('heading', { name: 'Sign in' }).waitFor();
  await signUp(page, mock.url, grace);
  // The other tab came along with the second user, to a notebook that is none of hers.
  await other.getByRole('heading', { name: 'There is no such notebook' }).waitFor();
  const traces = /Canary|Ada|ada@/;
  for (const each of [page, other]) {
    assert.doesNotMatch(await each.locator('body').innerText(), traces);
    const stored = await each.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
    assert.doesNotMatch(stored, traces);
  }
  await page.getByText('No notebooks yet').waitFor();
  // Back leads to no page of hers.
  await page.goBack();
  await page.getByRole('button', { name: /^Grace Hopper/ }).waitFor();
  assert.doesNotMatch(await page.locator('body').innerText(), traces);
  // And the other way round: Ada is still whole.
  await choose(page, 'Sign out');
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.goto(mock.url);
  await signIn(page, ada);
  await page.getByRole('button', { name: /^Actions for/ }).waitFor();
});

test('a session that was ended elsewhere shows the sign-in once, without a loop', async () => {
  mock = await openAccounts({ now: () => Date.now() + ahead });
  const where = await context();
  await where.clock.install();
  const page = await tab(where);
  await signUp(page, mock.url, ada);
  const { refused } = counts();
  let loads = 0;
  page.on('framenavigated', () => (loads += 1));
  mock.accounts.sessions.clear();
  ahead += LIFE;
  await where.clock.fastForward(LIFE);
  await page.getByText('Your session has ended.').waitFor();
  await shot(page, 'session-ended');
  await page.waitForTimeout(1_500);
  assert.equal(loads, 1);
  assert.equal(counts().refused - refused, 1);
  await signIn(page, ada);
});
