// A2: pages of the web, images and recordings as sources, on the page. Against the mock.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMock } from '../mock/server.mjs';
import { openBrowser, openPage, shot } from './browser.mjs';

let server;
let browser;
let page;
let complaints;

before(async () => {
  server = await startMock({ pace: 0.5 });
  browser = await openBrowser();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' });
  ({ page, complaints } = await openPage(context));
  await page.goto(server.url);
  await page.getByRole('button', { name: 'New notebook' }).first().click();
  await page.getByRole('heading', { name: 'Start with a source' }).waitFor();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const row = (name) => page.getByTestId('source').filter({ hasText: name });

test('a2 a page of the web is added by its address, without a scheme too', async () => {
  await page.getByRole('button', { name: 'Add link' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Add a page of the web' });
  await dialog.getByLabel('Address').fill('ftp://example.org/herons');
  await dialog.getByRole('button', { name: 'Add link' }).click();
  await dialog.getByText('Begin the address with http:// or https://').waitFor();
  await shot(page, 'link-refused');
  await dialog.getByLabel('Address').fill('example.org/herons');
  await dialog.getByRole('button', { name: 'Add link' }).click();
  await dialog.waitFor({ state: 'detached' });
  await row('example.org/herons').and(page.locator('[data-stage=ready]')).waitFor();
  const [source] = [...server.state.sources.values()];
  assert.equal(source.origin.url, 'https://example.org/herons');
});

test('a2 images and recordings say how they are read', async () => {
  const file = (name, mimeType) => ({ name, mimeType, buffer: Buffer.from('mock') });
  const files = page.getByTestId('file-input');
  await files.setInputFiles([file('whiteboard.png', 'image/png'), file('interview.mp3', 'audio/mpeg')]);
  await row('whiteboard.png').getByText('Reading the image…').waitFor();
  await row('interview.mp3').getByText('Transcribing…').waitFor();
  await shot(page, 'reading-media');
  for (const name of ['whiteboard.png', 'interview.mp3'])
    await row(name).and(page.locator('[data-stage=ready]')).waitFor();
});

test('a2 a recording over the limit of recordings is refused before it is sent', async () => {
  const before = server.state.sources.size;
  const large = { name: 'long.wav', mimeType: 'audio/wav', buffer: Buffer.alloc(26_000_000) };
  await page.getByTestId('file-input').setInputFiles([large]);
  await page
    .getByText(/long\.wav/)
    .first()
    .waitFor();
  await page
    .getByText(/at most 25\sMB/)
    .first()
    .waitFor();
  await shot(page, 'too-large');
  assert.equal(server.state.sources.size, before);
  assert.deepEqual(complaints, []);
});
