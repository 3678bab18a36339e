// Keyboard, themes, small screens, languages, failures: H4, H5, H8.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openBrowser, openPage, openServer, shot } from './browser.mjs';

let server;
let browser;
let context;
let page;
let complaints;
const note =
  'Tide tables\n\nA spring tide occurs near the new moon and the full moon, every fourteen days.\n\nA neap tide follows seven days later.';

before(async () => {
  server = await openServer();
  browser = await openBrowser();
  context = await browser.newContext({
    viewport: { width: 1280, height: 820 },
    colorScheme: 'dark',
    locale: 'en-GB',
  });
  ({ page, complaints } = await openPage(context));
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('the whole path goes by keyboard alone', async () => {
  await page.goto(server.url);
  const create = page.getByRole('button', { name: 'New notebook' }).first();
  await create.waitFor();
  for (let i = 0; i < 20 && !(await create.evaluate((node) => node === document.activeElement)); i += 1)
    await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const paste = page.getByRole('button', { name: 'Paste text' }).first();
  await paste.waitFor();
  for (let i = 0; i < 20 && !(await paste.evaluate((node) => node === document.activeElement)); i += 1)
    await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'TEXTAREA');
  await page.keyboard.insertText(note);
  await shot(page, 'paste-dark');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.locator('[data-testid=source][data-stage=ready]').waitFor({ timeout: 120_000 });
  const box = page.getByLabel('Your question');
  for (let i = 0; i < 30 && !(await box.evaluate((node) => node === document.activeElement)); i += 1)
    await page.keyboard.press('Tab');
  await page.keyboard.type('When does a spring tide occur?');
  await page.keyboard.press('Enter');
  await page.getByTestId('citation').first().waitFor({ timeout: 120_000 });
  await page.locator('[data-testid=answer][aria-busy=false]').waitFor({ timeout: 120_000 });
  const mark = page.getByTestId('citation').first();
  for (let i = 0; i < 40 && !(await mark.evaluate((node) => node === document.activeElement)); i += 1)
    await page.keyboard.press('Shift+Tab');
  await page.getByTestId('citation-card').waitFor();
  await shot(page, 'keyboard-citation-dark');
  await page.keyboard.press('Enter');
  await page.getByTestId('highlight').first().waitFor();
  await shot(page, 'viewer-dark');
});

test('the theme follows the system and can be turned', async () => {
  const isTheme = (theme) =>
    page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, theme);
  await isTheme('dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await isTheme('light');
  await page.getByRole('button', { name: /^Theme/ }).click();
  await isTheme('dark');
  await page.emulateMedia({ colorScheme: 'dark' });
});

test('the sources not saying is said calmly', async () => {
  await page.getByLabel('Your question').fill('Who won the football championship?');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid=answer]').nth(1).waitFor();
  await page.locator('[data-testid=answer][aria-busy=false]').nth(1).waitFor({ timeout: 120_000 });
  if (server.mock)
    await page
      .getByText(/^The sources do not say/)
      .first()
      .waitFor();
  await shot(page, 'silent-dark');
  await page.reload();
  await page.locator('[data-testid=answer]').nth(1).waitFor();
  if (server.mock)
    await page
      .getByText(/^The sources do not say/)
      .first()
      .waitFor();
});

test('a source switched off is not used', async () => {
  const box = page.getByRole('checkbox', { name: /^Use / }).first();
  if (await page.getByRole('button', { name: 'Close the reader' }).isVisible())
    await page.getByRole('button', { name: 'Close the reader' }).click();
  const saved = page.waitForResponse((reply) => reply.request().method() === 'PATCH' && reply.ok());
  await box.uncheck();
  await saved;
  await page.reload();
  await box.waitFor();
  assert.equal(await box.isChecked(), false);
  const back = page.waitForResponse((reply) => reply.request().method() === 'PATCH' && reply.ok());
  await box.check();
  await back;
});

test('bad files say why, and can be tried again', async () => {
  await page
    .getByTestId('file-input')
    .setInputFiles([{ name: 'empty.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(0) }]);
  await page.getByText('The file is empty.').waitFor();
  if (server.mock) {
    await page.getByTestId('file-input').setInputFiles([
      { name: 'broken thesis.docx', mimeType: 'application/octet-stream', buffer: Buffer.from('PK') },
      { name: 'setup.exe', mimeType: 'application/octet-stream', buffer: Buffer.from('MZ') },
    ]);
    await page.getByText('The file ends in the middle.').waitFor();
    await page.getByText('Files such as setup.exe are not supported.').waitFor();
    await shot(page, 'failures-dark');
    await page.getByRole('button', { name: 'Try again', exact: true }).click();
    await page.locator('[data-testid=source][data-stage=ready]').nth(1).waitFor();
  }
});

test(
  'a run that breaks off keeps its text and says why',
  { skip: Boolean(process.env.BASE_URL) },
  async () => {
    await page.getByLabel('Your question').fill('Warn and fail: when does a spring tide occur?');
    await page.keyboard.press('Enter');
    await page.getByTestId('run-failure').waitFor();
    await page.getByTestId('warning').waitFor();
    await page.getByTestId('messages').evaluate((area) => (area.scrollTop = area.scrollHeight));
    await shot(page, 'broken-off-dark');
  },
);

test('settings, status and the other language', async () => {
  await page.getByRole('button', { name: /^Model status/ }).click();
  await shot(page, 'status-dark');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Temperature').fill('3');
  await page.getByText('Enter a number from 0 to 2.').waitFor();
  await page.getByLabel('Temperature').fill('0.4');
  await shot(page, 'settings-dark');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Settings' }).click();
  assert.equal(await page.getByLabel('Temperature').inputValue(), '0.4');
  await page.getByText('Deutsch').click();
  await page.getByRole('button', { name: 'Abbrechen' }).click();
  await page.getByRole('heading', { name: 'Quellen' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'de');
  await shot(page, 'german-dark');
});

test('a small screen shows one pane at a time', async () => {
  await page.emulateMedia({ colorScheme: 'light' });
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByTestId('answer').first().waitFor();
  await shot(page, 'mobile-chat');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `nothing sticks out: ${wide}`);
  await page.getByRole('button', { name: 'Sources', exact: true }).click();
  await page.getByTestId('source').first().waitFor();
  await shot(page, 'mobile-sources');
  await page.getByRole('button', { name: 'Chat', exact: true }).click();
  await page.getByTestId('messages').evaluate((area) => (area.scrollTop = 0));
  await page.getByTestId('citation').first().click();
  await page.getByTestId('highlight').first().waitFor();
  await page.waitForTimeout(400);
  await shot(page, 'mobile-reader');
  await page.setViewportSize({ width: 1280, height: 820 });
});

test('an unknown notebook says so; the home page lists and deletes', async () => {
  await page.goto(`${server.url}/n/018f0000-0000-7000-8000-000000000000`);
  await page.getByRole('heading', { name: 'There is no such notebook' }).waitFor();
  await page.getByRole('link', { name: 'To your notebooks' }).last().click();
  await page
    .getByRole('button', { name: /^Actions for/ })
    .first()
    .waitFor();
  await shot(page, 'home-list');
  const before = await page.getByRole('button', { name: /^Actions for/ }).count();
  await page
    .getByRole('button', { name: /^Actions for/ })
    .first()
    .click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await shot(page, 'delete-confirm');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.waitForFunction(
    (count) => document.querySelectorAll('[aria-label^="Actions for"]').length < count,
    before,
  );
});

test('the API reader works offline', async () => {
  await page.goto(`${server.url}/docs`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.locator('article').first().waitFor();
  await shot(page, 'api-reader');
});

test('nothing was refused by the content policy and nothing broke', () => {
  assert.deepEqual(complaints, []);
});
