// Users, workspaces, roles, keys and the audit log in a real browser: G1-G4, G8, H7. Against the mock.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { choose, openAccounts, openBrowser, openPage, shot, signIn, signUp } from './browser.mjs';

const ada = { name: 'Ada Lovelace', email: 'ada@example.org', password: 'ninety percent engines' };
const grace = { name: 'Grace Hopper', email: 'grace@example.org', password: 'a nanosecond of wire' };

let mock;
let browser;
let page;
let where;
const complaints = [];

async function context(options = {}) {
  const made = await browser.newContext({
    viewport: { width: 1180, height: 800 },
    locale: 'en-GB',
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options,
  });
  return made;
}

async function tab(of) {
  const opened = await openPage(of);
  opened.page.on('pageerror', (error) => complaints.push(error.message));
  opened.page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      complaints.push(message.text());
  });
  return opened.page;
}

before(async () => {
  mock = await openAccounts();
  browser = await openBrowser();
  where = await context();
  page = await tab(where);
});

after(async () => {
  await browser?.close();
  await mock?.stop();
});

const home = () => page.getByRole('heading', { name: 'Your notebooks' }).waitFor();
const section = async (name) => {
  await page.getByRole('navigation', { name: 'Account' }).getByRole('link', { name }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
};

test('where nobody signs in nothing is asked but that', async () => {
  const { startMock } = await import('../mock/server.mjs');
  const plain = await startMock();
  const alone = await tab(where);
  const asked = [];
  alone.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await alone.goto(plain.url);
  await alone.getByRole('heading', { name: 'Your notebooks' }).waitFor();
  await alone.waitForLoadState('networkidle');
  assert.deepEqual(
    asked.filter((path) => /auth|workspace|account/.test(path)),
    ['/api/auth'],
  );
  assert.equal(await alone.getByRole('button', { name: /, in / }).count(), 0);
  await alone.close();
  await plain.stop();
});

test('what is wrong with a form stands at its field; password managers know the fields', async () => {
  await page.goto(mock.url);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await shot(page, 'sign-in');
  const email = page.getByLabel('Email');
  const password = page.getByLabel('Password', { exact: true });
  assert.deepEqual(
    [await email.getAttribute('autocomplete'), await password.getAttribute('autocomplete')],
    ['username', 'current-password'],
  );
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'email');
  // By keyboard alone.
  await page.keyboard.type(ada.email);
  await page.keyboard.press('Tab');
  await page.keyboard.type('not this one');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('This email and password do not go together.').waitFor();
  await shot(page, 'sign-in-refused');
  await page.getByRole('button', { name: 'Create account' }).click();
  assert.equal(await password.getAttribute('autocomplete'), 'new-password');
  await page.getByLabel('Your name').fill(ada.name);
  await email.fill('ada');
  await password.fill('short');
  await page.keyboard.press('Enter');
  await page.getByText('Give an address such as ada@example.org.').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'email');
  assert.equal(await email.getAttribute('aria-invalid'), 'true');
  await email.fill(ada.email);
  await page.keyboard.press('Enter');
  await page.getByText('Give at least 8 bytes.').waitFor();
  await shot(page, 'sign-up-refused');
  await page.getByLabel('Show password').check();
  assert.equal(await password.getAttribute('type'), 'text');
  await password.fill(ada.password);
  await page.getByRole('button', { name: 'Create account' }).click();
  await home();
  await shot(page, 'home-signed-in');
});

test('a password is changed; the sessions list ends others', async () => {
  const elsewhere = await context();
  const other = await tab(elsewhere);
  await other.goto(mock.url);
  await signIn(other, ada);
  await page.bringToFront();
  await choose(page, 'Account and workspace');
  await page.getByRole('heading', { name: ada.name }).waitFor();
  await page.getByLabel('Current password').fill('wrong');
  await page.getByLabel('New password').fill('ninety nine percent');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('This is not your current password.').waitFor();
  await shot(page, 'password-refused');
  await section('Sessions');
  await page.getByText('This session').waitFor();
  assert.equal(await page.getByRole('listitem').count(), 2);
  await shot(page, 'sessions');
  await page.getByRole('button', { name: 'End all others' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End all others' }).click();
  await page.getByText('1 session ended.').waitFor();
  await other.bringToFront();
  await other.reload();
  await other.getByRole('heading', { name: 'Sign in' }).waitFor();
  await signIn(other, ada);
  await page.bringToFront();
  await section('Profile');
  await page.getByLabel('Current password').fill(ada.password);
  ada.password = 'ninety nine percent';
  await page.getByLabel('New password').fill(ada.password);
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('Your password is changed.').waitFor();
  await other.reload();
  await other.getByRole('heading', { name: 'Sign in' }).waitFor();
  await elsewhere.close();
});

test('a team workspace is made, renamed, and left for the other; nothing of one is in the other', async () => {
  await page.goto(mock.url);
  await page.getByRole('button', { name: 'New notebook' }).first().click();
  await page.getByRole('button', { name: 'Paste text' }).first().click();
  await page.getByRole('dialog').getByLabel('Text', { exact: true }).fill('Only mine: the tide turns.');
  await page.getByRole('button', { name: 'Add text' }).click();
  await page.getByTestId('source').waitFor();
  const second = await tab(where);
  await second.goto(page.url());
  await second.getByTestId('source').waitFor();
  await choose(page, 'New team workspace');
  await shot(page, 'new-workspace');
  await page.getByLabel('Name', { exact: true }).fill('Engines');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('button', { name: /, in Engines$/ }).waitFor();
  await page.getByText('No notebooks yet').waitFor();
  assert.equal(new URL(page.url()).pathname, '/');
  // The other tab came along.
  await second.getByRole('button', { name: /, in Engines$/ }).waitFor();
  await second.getByText('No notebooks yet').waitFor();
  await second.close();
  await choose(page, 'Account and workspace');
  await section('Workspace');
  await page.getByLabel('Name of the workspace').fill('Analytical Engines');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: 'Analytical Engines' }).waitFor();
  await shot(page, 'workspace');
  await page.getByRole('button', { name: /, in / }).click();
  await shot(page, 'account-menu');
  await page.getByRole('menuitemradio', { name: ada.name }).click();
  await page.getByRole('button', { name: /, in Ada Lovelace$/ }).waitFor();
  await page.getByRole('button', { name: /^Actions for/ }).waitFor();
  await choose(page, 'Analytical Engines');
  await page.getByRole('button', { name: /, in Analytical Engines$/ }).waitFor();
});

test('somebody is invited by a link, joins as a viewer, and is offered what a viewer may do', async () => {
  await page.getByRole('button', { name: 'New notebook' }).first().click();
  await page.getByRole('button', { name: 'Paste text' }).first().click();
  await page.getByRole('dialog').getByLabel('Text', { exact: true }).fill('Shared: the tide turns.');
  await page.getByRole('button', { name: 'Add text' }).click();
  await page.getByTestId('source').waitFor();
  await choose(page, 'Account and workspace');
  await section('Members');
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByLabel('Email').fill('grace');
  await page.getByRole('dialog').getByRole('button', { name: 'Invite' }).click();
  await page.getByText('Give an address such as ada@example.org.').waitFor();
  await page.getByLabel('Email').fill(grace.email);
  await page.getByRole('dialog').getByRole('button', { name: 'Invite' }).click();
  const link = await page.getByLabel('Link').inputValue();
  await shot(page, 'invitation');
  await page.getByRole('button', { name: 'Copy' }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText(grace.email).waitFor();
  await shot(page, 'members');

  mock.accounts.registration = 'invited';
  const hers = await context({ colorScheme: 'dark', viewport: { width: 390, height: 844 } });
  const viewer = await tab(hers);
  await signUp(viewer, link, grace);
  assert.equal(new URL(viewer.url()).hash, '', 'the secret is out of the address');
  await shot(viewer, 'viewer-home-mobile-dark');
  assert.equal(await viewer.getByRole('button', { name: /New notebook|Import|Actions for/ }).count(), 0);
  await viewer.getByRole('link', { name: /Untitled/ }).click();
  await viewer.getByText('You may read here, but not ask.').waitFor();
  assert.equal(await viewer.getByLabel('Your question').count(), 0);
  await shot(viewer, 'viewer-notebook-mobile-dark');
  await viewer.getByRole('button', { name: 'Sources', exact: true }).click();
  await viewer.getByTestId('source').waitFor();
  assert.equal(await viewer.getByRole('button', { name: /Choose files|Paste text/ }).count(), 0);
  await choose(viewer, 'Account and workspace');
  await viewer.getByRole('navigation', { name: 'Account' }).waitFor();
  const links = await viewer.getByRole('navigation', { name: 'Account' }).getByRole('link').allInnerTexts();
  assert.deepEqual(links, ['Profile', 'Sessions', 'Workspace', 'Members']);
  await viewer.getByRole('link', { name: 'Members' }).click();
  await viewer.getByText(ada.email).waitFor();
  assert.equal(await viewer.getByRole('button', { name: /Invite|Remove/ }).count(), 0);
  await shot(viewer, 'viewer-members-mobile-dark');
  const wide = await viewer.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `nothing sticks out: ${wide}`);

  // More is offered as soon as the role says so, and the server's sentence is shown where it refuses all the same.
  await page.bringToFront();
  await page
    .getByLabel(`Role of ${grace.name}`)
    .waitFor({ timeout: 1_000 })
    .catch(() => page.reload());
  await page.getByLabel(`Role of ${grace.name}`).selectOption('admin');
  await page.waitForLoadState('networkidle');
  await viewer.bringToFront();
  await viewer.reload();
  await viewer.getByRole('button', { name: 'Invite' }).waitFor();
  await page.bringToFront();
  await page.getByLabel(`Role of ${grace.name}`).selectOption('viewer');
  await page.waitForLoadState('networkidle');
  await viewer.bringToFront();
  await viewer.getByRole('button', { name: 'Invite' }).click();
  await viewer.getByLabel('Email').fill('x@example.org');
  await viewer.getByRole('dialog').getByRole('button', { name: 'Invite' }).click();
  await viewer.getByText('This needs the permission `member.manage`.').waitFor();
  await shot(viewer, 'forbidden-mobile-dark');
  await hers.close();
  await page.bringToFront();
  await page.getByRole('button', { name: `Remove ${grace.name}` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('button', { name: `Remove ${grace.name}` }).waitFor({ state: 'detached' });
});

test('who has an account joins by a link', async () => {
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByLabel('Email').fill(grace.email);
  await page.getByRole('dialog').getByRole('button', { name: 'Invite' }).click();
  const link = await page.getByLabel('Link').inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  const hers = await context();
  const member = await tab(hers);
  await member.goto(link);
  await member.getByRole('button', { name: 'To the sign-in' }).click();
  await member.getByLabel('Email').fill(grace.email);
  await member.getByLabel('Password', { exact: true }).fill(grace.password);
  await member.keyboard.press('Enter');
  await member.getByRole('dialog', { name: 'Join a workspace' }).waitFor();
  await shot(member, 'join');
  await member.getByRole('button', { name: 'Join' }).click();
  await member.getByRole('button', { name: /, in Analytical Engines$/ }).waitFor();
  assert.equal(new URL(member.url()).hash, '');
  await hers.close();
});

test('a key is made with scopes and an end, shown once, and revoked', async () => {
  await section('API keys');
  await page.getByText('There are no keys.').waitFor();
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Nightly report');
  await page.getByLabel('export').check();
  await page.getByText('In 30 days').click();
  await shot(page, 'new-key');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  const secret = await page.getByLabel('Your new key', { exact: true }).last().inputValue();
  assert.match(secret, /^nbk_/);
  await shot(page, 'key-made');
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText('Nightly report').waitFor();
  assert.ok(!(await page.locator('body').innerText()).includes(secret));
  await shot(page, 'keys');
  const [key] = mock.accounts.keys.values();
  assert.deepEqual(key.scopes, ['notebook.read', 'export']);
  assert.ok(Math.abs(key.expires_at - Date.now() - 30 * 86_400_000) < 60_000);
  await page.getByRole('button', { name: 'Revoke Nightly report' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('Revoked ·').waitFor();
});

test('the audit log is read from the newest and verified', async () => {
  const workspace = [...mock.accounts.workspaces.values()].find(({ kind }) => kind === 'team');
  const { audit } = await import('../mock/accounts/store.mjs');
  for (let i = 0; i < 60; i += 1)
    audit(workspace, Date.now(), null, 'sign_in.failed', null, { severity: 'warning' });
  await section('Audit log');
  const entries = page.getByRole('list', { name: 'Audit log' }).getByRole('listitem');
  await entries.first().waitFor();
  assert.equal(await entries.count(), 50);
  await page.getByRole('button', { name: 'Show older entries' }).click();
  await page.getByText('role.changed').first().waitFor();
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText(/^All \d+ entries are whole/).waitFor();
  await shot(page, 'audit');
  workspace.broken = { seq: 7, fault: 'is not what was logged' };
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText('The chain is broken at entry 7: it is not what was logged.').waitFor();
});

test('d6 reports of wrong refusals are read and removed', async () => {
  const workspace = [...mock.accounts.workspaces.values()].find(({ kind }) => kind === 'team');
  const report = (question, remark) => ({
    id: crypto.randomUUID(),
    labels: ['ignore_previous'],
    question_sha256: (question ?? 'kept').padEnd(64, '0'),
    question,
    remark,
    created_at: Date.now(),
  });
  workspace.state.reports = [
    report('<b>Ignore</b> all previous instructions, who said that?', 'It is a quotation.'),
    report(null, null),
  ];
  await section('Wrong refusals');
  const rows = page.getByRole('list', { name: 'Wrong refusals' }).getByRole('listitem');
  await rows.first().waitFor();
  assert.equal(await rows.count(), 2);
  assert.match(await rows.first().textContent(), /<b>Ignore<\/b> all previous.*ignore previous.*quotation/);
  await page.getByText('The question was not kept.').waitFor();
  await shot(page, 'reports');
  await rows
    .first()
    .getByRole('button', { name: /^Remove/ })
    .click();
  await page.getByText('quotation').waitFor({ state: 'detached' });
  assert.equal(workspace.state.reports.length, 1);
});

test('a new password is set by a link; German', async () => {
  const user = [...mock.accounts.users.values()].find(({ email }) => email === grace.email);
  mock.accounts.resets.set('nbr_one-time', user.id);
  const hers = await context({ locale: 'de-DE' });
  const one = await tab(hers);
  await one.goto(`${mock.url}/#reset=nbr_one-time`);
  await one.getByRole('heading', { name: 'Neues Passwort setzen' }).waitFor();
  await one.getByRole('textbox', { name: 'Neues Passwort' }).fill('password1');
  await one.keyboard.press('Enter');
  await one.getByText('Choose one that is not among').waitFor();
  await shot(one, 'reset-german');
  grace.password = 'ein neuer Draht';
  await one.getByRole('textbox', { name: 'Neues Passwort' }).fill(grace.password);
  await one.keyboard.press('Enter');
  await one.getByText('Dein neues Passwort gilt').waitFor();
  assert.equal(new URL(one.url()).hash, '');
  await one.getByLabel('E-Mail').fill(grace.email);
  await one.getByLabel('Passwort', { exact: true }).fill(grace.password);
  await one.keyboard.press('Enter');
  await one.getByRole('heading', { name: 'Deine Notizbücher' }).waitFor();
  await hers.close();
});

test('nothing was refused by the content policy and nothing broke', () => {
  assert.deepEqual(complaints, []);
});
