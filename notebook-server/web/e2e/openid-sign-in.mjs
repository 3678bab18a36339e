// In Chromium: signing in at a provider, coming back to where one was, a refusal in words, linking. Run by
// notebook-server/tests/oidc.rs, which starts the server and the provider.
// URL: the server. Its provider is called Example, and knows ada and bob; eve has no verified address.
import assert from 'node:assert/strict';
import { choose, openBrowser, openPage, shot, signUp } from './browser.mjs';

const url = process.env.URL;
const browser = await openBrowser();
const complaints = [];

async function tab(locale = 'en-GB') {
  const context = await browser.newContext({ viewport: { width: 1180, height: 900 }, locale });
  const opened = await openPage(context);
  complaints.push(opened.complaints);
  return opened.page;
}

/** The provider's own pages: who it is, and that the server may know. */
async function atProvider(page, name) {
  await page.getByPlaceholder('Enter any login').fill(name);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

try {
  const page = await tab();
  await page.goto(`${url}/account/sessions`);
  await page.getByRole('button', { name: 'Continue with Example' }).waitFor();
  await shot(page, 'openid-sign-in');
  await page.getByRole('button', { name: 'Continue with Example' }).click();
  await atProvider(page, 'ada');
  // Where she was before, signed in, without a reload.
  await page.getByText('This session').waitFor();
  assert.equal(new URL(page.url()).pathname, '/account/sessions');
  const cookies = await page.context().cookies(url);
  const access = cookies.find(({ name }) => name === '__Host-notebook_access');
  assert.deepEqual([access?.sameSite, access?.httpOnly, access?.secure], ['Strict', true, true]);
  assert.ok(!cookies.some(({ name }) => name === '__Host-notebook_oidc'), 'of use once');
  await page.goto(`${url}/account/profile`);
  await page.getByRole('list', { name: 'Linked accounts' }).getByText('Example').waitFor();
  await page.getByRole('button', { name: 'Unlink Example' }).click();
  await page.getByText('no way to sign in').waitFor();
  await shot(page, 'openid-linked');

  // A refusal is told once, in the language of the browser.
  const eves = await tab('de-DE');
  await eves.goto(url);
  await eves.getByRole('button', { name: 'Weiter mit Example' }).click();
  await atProvider(eves, 'eve');
  await eves.getByRole('alert').getByText('nicht bestätigt').waitFor();
  assert.equal(new URL(eves.url()).search, '');
  await shot(eves, 'openid-refused');
  await eves.reload();
  await eves.getByRole('button', { name: 'Weiter mit Example' }).waitFor();
  assert.equal(await eves.getByRole('alert').count(), 0);

  // Somebody with a password links an account, and it is said where it is another's.
  const graces = await tab();
  await signUp(graces, url, { name: 'Grace', email: 'grace@example.org', password: 'a nanosecond of wire' });
  await choose(graces, 'Account and workspace');
  await graces.getByRole('button', { name: 'Link Example' }).click();
  await atProvider(graces, 'ada');
  await graces.getByRole('alert').getByText('another user').waitFor();
  await graces.context().clearCookies({ name: /^_(session|interaction)/ });
  await graces.getByRole('button', { name: 'Link Example' }).click();
  await atProvider(graces, 'bob');
  await graces.getByRole('list', { name: 'Linked accounts' }).getByText('Example').waitFor();
  await graces.getByRole('button', { name: 'Unlink Example' }).click();
  await graces.getByRole('button', { name: 'Link Example' }).waitFor();
  assert.deepEqual(complaints.flat(), []);
} finally {
  await browser.close();
}
