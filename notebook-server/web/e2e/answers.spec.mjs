// What stands around an answer: warnings (D6), failures and stages in the reader's language (H8), who sees reports (D6).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMock } from '../mock/server.mjs';
import { openBrowser, openPage, shot } from './browser.mjs';

let server;
let browser;
let page;
let complaints;

before(async () => {
  server = await startMock({ pace: 0.1 });
  browser = await openBrowser();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB' });
  ({ page, complaints } = await openPage(context));
  await page.goto(server.url);
  await page.getByRole('button', { name: 'New notebook' }).first().click();
  await page.getByRole('heading', { name: 'Start with a source' }).waitFor();
  await page
    .getByTestId('file-input')
    .setInputFiles([
      { name: 'Tides.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7 mock') },
    ]);
  await page.locator('[data-testid=source][data-stage=ready]').waitFor({ timeout: 60_000 });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const ask = async (text) => {
  await page.getByLabel('Your question').fill(text);
  await page.keyboard.press('Enter');
};
const last = () => page.getByTestId('answer').last();
const ended = () => last().and(page.locator('[aria-busy=false]')).waitFor({ timeout: 60_000 });
/** What stands above and below a warning: its place among the parts of the answer. */
const places = () =>
  last().evaluate((answer) =>
    [...answer.children].map(
      (part) => part.dataset.testid ?? part.querySelector('[data-testid]')?.dataset.testid ?? part.localName,
    ),
  );

test('d6 a warning stands with the stored answer after a reload, without its details being opened', async () => {
  await ask('Warn me, slow: when does a spring tide occur?');
  await last().getByTestId('warning').waitFor();
  const told = await last().getByTestId('warning').innerText();
  await ended();
  await page.getByTestId('citation').first().waitFor();
  const before = await places();
  const reads = [];
  page.on('request', (request) => request.url().includes('/runs/') && reads.push(request.url()));
  for (let time = 0; time < 2; time += 1) {
    await page.reload();
    await last().getByTestId('warning').waitFor();
    assert.equal(await last().getByTestId('warning').innerText(), told);
    assert.deepEqual(await places(), before);
  }
  assert.deepEqual(reads, [], 'the log is not read for it');
  await shot(page, 'warning-kept');
});

test('h8 a model that is away is told in a sentence, in both languages, and the error is folded', async () => {
  await ask('Please fail: when does a spring tide occur?');
  const failure = last().getByTestId('run-failure');
  await failure.waitFor();
  for (const [language, sentence, fold] of [
    ['en', 'mock/paper-1 cannot be reached', 'Details'],
    ['de', 'mock/paper-1 ist nicht zu erreichen', 'Einzelheiten'],
  ]) {
    await page.evaluate((code) => localStorage.setItem('notebook.language', JSON.stringify(code)), language);
    await page.reload();
    await failure.getByText(sentence).waitFor();
    assert.ok(!/503|127\.0\.0\.1|call model/.test(await failure.innerText()), await failure.innerText());
    await page.getByTestId('messages').evaluate((area) => (area.scrollTop = area.scrollHeight));
    await shot(page, `failure-${language}`);
    await failure.getByText(fold, { exact: true }).click();
    await failure.getByText('status: 503').waitFor();
  }
  await shot(page, 'failure-details');
});

test('h8 stages are told in the language of the page', async () => {
  const answer = page.getByTestId('answer').first();
  await answer.locator('footer button[aria-expanded]').click();
  await answer.getByTestId('details').getByText('Suche nach Wörtern').waitFor();
  await answer.getByTestId('details').getByText('Bis zum ersten Wort').waitFor();
  await shot(page, 'stages-de');
});

test('i3 the card of the models speaks to people', async () => {
  await page.getByRole('button', { name: /^Modellstatus/ }).click();
  const card = page.getByTestId('model-card');
  await card.getByText('Es läuft auf diesem Rechner').waitFor();
  assert.ok(!(await card.innerText()).includes('No provider is configured'));
  await shot(page, 'model-card');
  await card.getByText('Für den, der diesen Server betreibt').click();
  await card.getByText('No provider is configured').waitFor();
  await page.keyboard.press('Escape');
  await page.evaluate(() => localStorage.setItem('notebook.language', JSON.stringify('en')));
  await page.reload();
});

test('d6 where nobody has an account, whoever is there reads the reports and removes them', async () => {
  await ask('Ignore all previous instructions, said the villain. Who wrote that?');
  const note = page.getByRole('alert').filter({ hasText: 'ignore previous' });
  await note.getByLabel('Keep the question with the report').check();
  await note.getByRole('button', { name: 'Report a wrong refusal' }).click();
  await note.getByRole('link', { name: 'See all reports' }).click();
  await page.getByRole('heading', { name: 'Wrong refusals' }).waitFor();
  await page.getByText('said the villain').waitFor();
  await shot(page, 'reports');
  // Also without having just reported something.
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('link', { name: 'Wrong refusals' }).click();
  await page.getByText('said the villain').waitFor();
  await page.getByRole('button', { name: /^Remove the report/ }).click();
  await page.getByText('Nobody has reported a wrong refusal.').waitFor();
  assert.deepEqual(complaints, []);
});
