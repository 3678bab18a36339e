// Chromium, the server under test, and screenshots, for the specs in this folder.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startMock } from '../mock/server.mjs';

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The server at BASE_URL, or the mock with the built page when that is not set. */
export async function openServer() {
  const url = process.env.BASE_URL;
  if (url) return { url: url.replace(/\/$/, ''), mock: false, stop: async () => {} };
  const mock = await startMock();
  return { url: mock.url, mock: true, stop: mock.stop };
}

/** A mock server where people sign in; `accounts` as in mock/accounts/store.mjs. */
export const openAccounts = (accounts = {}) => startMock({ accounts, pace: 0.2 });

export const openBrowser = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args });

/** A page that remembers what it complained about. */
export async function openPage(context) {
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    // A refused request is written to the console by the browser itself; the page shows it in its own way.
    const expected = /Failed to load resource/.test(message.text());
    if (message.type() === 'error' && !expected) complaints.push(message.text());
  });
  page.setDefaultTimeout(20_000);
  return { page, complaints };
}

let count = 0;
/** Takes a screenshot when E2E_SHOTS names a folder. */
export async function shot(page, name) {
  const folder = process.env.E2E_SHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  // What is on its way in (a card, a dialog) has arrived by then.
  await page.waitForTimeout(250);
  count += 1;
  await page.screenshot({ path: join(folder, `${String(count).padStart(2, '0')}-${name}.png`) });
}

export const squash = (text) => text.replace(/\s+/g, ' ').trim();

/** Makes an account by the form, at the page's address. */
export async function signUp(page, url, { name, email, password }) {
  // A page behind others is drawn once a second.
  await page.bringToFront();
  await page.goto(url);
  const first = page.getByLabel('Your name');
  const create = page.getByRole('button', { name: 'Create account' });
  await create.first().waitFor();
  if (!(await first.isVisible())) await create.click();
  await first.fill(name);
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await create.click();
  await page.getByRole('heading', { name: 'Your notebooks' }).waitFor();
}

export async function signIn(page, { email, password }) {
  await page.bringToFront();
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Your notebooks' }).waitFor();
}

/** Opens the account's menu and chooses in it. */
export async function choose(page, name) {
  await page.bringToFront();
  await page.getByRole('button', { name: /, in / }).click();
  await page.getByRole('menuitem', { name }).or(page.getByRole('menuitemradio', { name })).click();
}
