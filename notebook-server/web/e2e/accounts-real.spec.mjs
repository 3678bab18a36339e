// The same page in front of the real server: that the two agree about accounts. G1 to G4, G8, H7.
// ACCOUNTS_URL: a running server with `auth.mode = "accounts"` and open registration; without it nothing runs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { choose, openBrowser, openPage, shot, signIn, signUp } from './browser.mjs';

const url = process.env.ACCOUNTS_URL?.replace(/\/$/, '');
const skip = !url;
const address = (name) => `${name}-${randomUUID().slice(0, 8)}@example.org`;
const ada = { name: 'Ada Lovelace', email: address('ada'), password: 'ninety percent engines' };
const grace = { name: 'Grace Hopper', email: address('grace'), password: 'a nanosecond of wire' };

let browser;
let page;
let hers;
let complaints = [];

async function tab() {
  const context = await browser.newContext({ viewport: { width: 1180, height: 800 }, locale: 'en-GB' });
  const opened = await openPage(context);
  complaints.push(opened.complaints);
  return opened.page;
}

before(async () => {
  if (skip) return;
  browser = await openBrowser();
  page = await tab();
  hers = await tab();
});

after(async () => {
  await browser?.close();
});

const section = (name) =>
  page.getByRole('navigation', { name: 'Account' }).getByRole('link', { name }).click();
const dialog = (name) => page.getByRole('dialog').getByRole('button', { name, exact: true }).click();

test('refusals name their fields; an account is made', { skip }, async () => {
  await page.goto(url);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByLabel('Your name').fill(ada.name);
  await page.getByLabel('Email').fill('ada');
  await page.getByLabel('Password', { exact: true }).fill(ada.password);
  await page.keyboard.press('Enter');
  await page.getByText('Give an address such as ada@example.org.').waitFor();
  await signUp(page, url, ada);
});

test('a password is changed, sessions are listed', { skip }, async () => {
  await choose(page, 'Account and workspace');
  await page.getByLabel('Current password').fill('not this one');
  await page.getByLabel('New password').fill('ninety nine percent');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('This is not your current password.').waitFor();
  await page.getByLabel('Current password').fill(ada.password);
  ada.password = 'ninety nine percent';
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('Your password is changed.').waitFor();
  await section('Sessions');
  await page.getByText('This session').waitFor();
  assert.equal(await page.getByRole('list', { name: 'Sessions' }).getByRole('listitem').count(), 1);
});

test('a key is made, shown once and revoked', { skip }, async () => {
  await section('API keys');
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Nightly report');
  await dialog('Create');
  assert.match(await page.getByLabel('Your new key', { exact: true }).last().inputValue(), /^nbk_/);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Revoke Nightly report' }).click();
  await dialog('Revoke');
  await page.getByText('Revoked ·').waitFor();
});

test('a team workspace, a member by invitation, and what her role lets her do', { skip }, async () => {
  await choose(page, 'New team workspace');
  await page.getByLabel('Name', { exact: true }).fill('Engines');
  await dialog('Create');
  await page.getByRole('button', { name: /, in Engines$/ }).waitFor();
  await choose(page, 'Account and workspace');
  await section('Workspace');
  await page.getByLabel('Name of the workspace').fill('Analytical Engines');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: /, in Analytical Engines$/ }).waitFor();
  await section('Members');
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByLabel('Email').fill(grace.email);
  await dialog('Invite');
  const link = await page.getByLabel('Link').inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText(grace.email).waitFor();
  await signUp(hers, link, grace);
  await hers.getByRole('button', { name: /, in Analytical Engines$/ }).waitFor();
  assert.equal(await hers.getByRole('button', { name: 'New notebook' }).count(), 0);
  await page.bringToFront();
  await page.reload();
  const kept = page.waitForResponse((reply) => reply.request().method() === 'PUT' && reply.ok());
  await page.getByLabel(`Role of ${grace.name}`).selectOption('data_scientist');
  await kept;
  await hers.bringToFront();
  await hers.reload();
  await hers.getByRole('button', { name: 'New notebook' }).first().click();
  await hers.getByRole('button', { name: 'Paste text' }).first().click();
  await hers
    .getByRole('dialog')
    .getByLabel('Text', { exact: true })
    .fill('The tower stands 300 metres high.');
  await hers.getByRole('button', { name: 'Add text' }).click();
  await hers.locator('[data-testid=source][data-stage=ready]').waitFor({ timeout: 120_000 });
  await hers.getByLabel('Your question').fill('How high does the tower stand?');
  await hers.keyboard.press('Enter');
  await hers.getByTestId('citation').first().waitFor({ timeout: 120_000 });
});

test('the audit log is read and verified; other workspaces are apart', { skip }, async () => {
  await page.bringToFront();
  await section('Audit log');
  await page.getByRole('list', { name: 'Audit log' }).getByRole('listitem').first().waitFor();
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText(/entries are whole and in order/).waitFor();
  await shot(page, 'audit-real');
  await choose(page, ada.name);
  await page.getByRole('button', { name: /, in Ada Lovelace$/ }).waitFor();
  await page.getByText('No notebooks yet').waitFor();
});

test('who is removed is out at once; signing out and in', { skip }, async () => {
  await choose(page, 'Analytical Engines');
  await page.getByRole('button', { name: /, in Analytical Engines$/ }).waitFor();
  await choose(page, 'Account and workspace');
  await section('Members');
  await page.getByRole('button', { name: `Remove ${grace.name}` }).click();
  await dialog('Remove');
  await hers.getByRole('heading', { name: 'Sign in' }).waitFor();
  await hers.goto(url);
  await signIn(hers, grace);
  await hers.getByText('No notebooks yet').waitFor();
  await page.bringToFront();
  await choose(page, 'Sign out');
  await page.getByText('You are signed out.').waitFor();
  await page.goto(url);
  await signIn(page, ada);
  assert.deepEqual(complaints.flat(), []);
});

test('a team and an account are deleted', { skip }, async () => {
  await choose(page, 'Analytical Engines');
  await page.getByRole('button', { name: /, in Analytical Engines$/ }).waitFor();
  await choose(page, 'Account and workspace');
  await section('Workspace');
  await page.getByRole('button', { name: 'Delete this workspace' }).click();
  const sure = page.getByRole('dialog').getByRole('button', { name: 'Delete this workspace' });
  assert.equal(await sure.isEnabled(), false, 'its name is typed first');
  await page.getByLabel('Type its name: Analytical Engines').fill('Analytical Engines');
  await shot(page, 'workspace-deleting');
  await sure.click();
  await page.getByRole('button', { name: /, in Ada Lovelace$/ }).waitFor();
  await choose(page, 'Account and workspace');
  await page.getByRole('button', { name: 'Delete my account' }).click();
  const asked = page.getByRole('dialog').getByLabel('Current password');
  await asked.fill('not this one');
  await dialog('Delete my account');
  await page
    .getByRole('dialog')
    .getByText(/present password/)
    .waitFor();
  await asked.fill(ada.password);
  await dialog('Delete my account');
  await page.getByText('You are signed out.').waitFor();
  await page.getByLabel('Email').fill(ada.email);
  await page.getByLabel('Password', { exact: true }).fill(ada.password);
  await page.keyboard.press('Enter');
  await page.getByText('This email and password do not go together.').waitFor();
});
