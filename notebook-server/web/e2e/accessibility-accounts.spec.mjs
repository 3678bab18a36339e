// H8: what people see of accounts has no serious or critical flaw that axe finds, in both themes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMock } from '../mock/server.mjs';
import { flaws, openIn, themes } from './axe.mjs';
import { openBrowser, signUp } from './browser.mjs';

let server;
let browser;

before(async () => {
  server = await startMock({ accounts: {}, pace: 0.1 });
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const theme of themes) {
  test(`h8 the views of accounts are accessible, ${theme}`, async () => {
    const { page } = await openIn(browser, theme);
    const found = [];
    await page.goto(server.url);
    await page.getByRole('button', { name: 'Create account' }).first().waitFor();
    found.push(...(await flaws(page, `sign-in-${theme}`)));
    await signUp(page, server.url, {
      name: 'Ada',
      email: `${theme}@example.org`,
      password: 'a long enough password',
    });
    for (const part of ['profile', 'sessions', 'keys', 'workspace', 'members', 'audit', 'reports']) {
      await page.goto(`${server.url}/account/${part}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      found.push(...(await flaws(page, `${part}-${theme}`)));
    }
    assert.deepEqual(found, []);
    await page.context().close();
  });
}
