// D3, D5: research in the chat: what it does is shown, and a person is asked with the exact arguments, also after a reload.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMock } from '../mock/server.mjs';
import { openBrowser, openPage, shot } from './browser.mjs';

let server;
let browser;
let page;
let complaints;

before(async () => {
  server = await startMock({ pace: 1 });
  browser = await openBrowser();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' });
  ({ page, complaints } = await openPage(context));
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const ask = async (text) => {
  await page.getByLabel('Your question').fill(text);
  await page.keyboard.press('Enter');
};
const answer = () => page.locator('[data-testid=answer]').last();
const done = () => answer().and(page.locator('[aria-busy=false]')).waitFor();

test('d3 the steps of a research are shown while it works, and folded up behind its answer', async () => {
  await page.goto(server.url);
  await page.getByRole('button', { name: 'New notebook' }).first().click();
  await page.getByRole('heading', { name: 'Start with a source' }).waitFor();
  const toggle = page.getByRole('button', { name: 'Research' });
  assert.equal(await toggle.getAttribute('aria-pressed'), 'false');
  await toggle.click();
  assert.equal(await toggle.getAttribute('aria-pressed'), 'true');
  await ask('When are spring tides?');
  await page.getByText('Searched for “When are spring tides?”').first().waitFor();
  await done();
  const folded = answer().getByText('Research: 2 steps');
  await folded.click();
  await answer().getByText('Calculated 12.4 * 2').waitFor();
  await shot(page, 'research-done');
});

test('d5 a person is asked with the exact arguments, still after a reload, and what they say is done', async () => {
  for (const [button, failed] of [
    ['Deny', 1],
    ['Approve', 0],
  ]) {
    await ask('When are spring tides? Keep a note.');
    const card = page.getByTestId('approval');
    await card.waitFor();
    await page.reload();
    await card.waitFor();
    await card.getByText('write_note').waitFor();
    await card.getByText('This tool changes something.').waitFor();
    const shown = await page.getByTestId('approval-arguments').textContent();
    assert.match(shown, /⟨U\+202E⟩/, 'what turns the direction of writing is written out');
    assert.equal(await page.getByRole('button', { name: 'Research' }).getAttribute('aria-pressed'), 'true');
    await shot(page, `approval-${button}`);
    await card.getByRole('button', { name: button }).click();
    await card.waitFor({ state: 'detached' });
    await done();
    await answer().getByText('Research: 3 steps').click();
    assert.equal(await answer().locator('[data-testid=steps] [data-state=failed]').count(), failed);
  }
  assert.deepEqual(complaints, []);
});

test('d5 a research that waits can be stopped', async () => {
  await ask('Keep this.');
  await page.getByTestId('approval').waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByTestId('approval').waitFor({ state: 'detached' });
  await done();
});

test('d3 a notebook chooses the tools', async () => {
  const tools = page.locator('fieldset').filter({ hasText: 'Tools for research' });
  await page.getByRole('button', { name: 'Settings' }).click();
  await tools.getByLabel('search_sources').waitFor();
  assert.equal(await tools.getByLabel('write_note').isChecked(), false);
  await tools.getByLabel('write_note').check();
  await shot(page, 'tools');
  await page.getByRole('button', { name: 'Save' }).click();
  await tools.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Settings' }).click();
  assert.equal(await tools.getByLabel('write_note').isChecked(), true);
  assert.deepEqual(complaints, []);
});

test('d4 a notebook allows MCP servers, which are shown with their status', async () => {
  const servers = page.locator('fieldset').filter({ hasText: 'MCP servers' });
  await servers.getByText('the program ended (exit status: 1)').waitFor();
  await servers.getByText('2 tools').click();
  await servers.getByText('Writes a file.').waitFor();
  assert.equal(await servers.getByLabel('files').isChecked(), false);
  await servers.getByLabel('files').check();
  await shot(page, 'mcp-servers');
  await page.getByRole('button', { name: 'Save' }).click();
  await servers.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Settings' }).click();
  assert.equal(await servers.getByLabel('files').isChecked(), true);
  assert.equal(await servers.getByLabel('tickets').isChecked(), false);
  assert.deepEqual(complaints, []);
});
