// One answer, slowly written, in four places: where it was asked, there again after a reload, in a second tab, and in a tab
// at another server process. Run by notebook-server/tests/two_servers.rs, which starts the servers.
// URLS: two servers on one database. NOTEBOOK: the id of a notebook with a source. QUESTION: what is asked.
import assert from 'node:assert/strict';
import { openBrowser, openPage, shot, squash } from './browser.mjs';

const [first, other] = process.env.URLS.split(',');
const path = `/n/${process.env.NOTEBOOK}`;
const browser = await openBrowser();

const text = async (page) => squash(await page.getByTestId('answer-text').last().innerText());
const longerThan = (page, length) =>
  page.waitForFunction(
    (wanted) => [...document.querySelectorAll('[data-testid=answer-text]')].at(-1)?.innerText.length > wanted,
    length,
  );
const running = async (page) =>
  (await page.getByTestId('answer').last().getAttribute('aria-busy')) === 'true';

try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' });
  const { page, complaints } = await openPage(context);
  await page.goto(first + path);
  await page.getByLabel('Your question').fill(process.env.QUESTION);
  await page.keyboard.press('Enter');
  await longerThan(page, 20);
  assert.ok(await running(page), 'the answer goes on');
  await page.reload();
  await longerThan(page, 20);
  const [second, third] = [await openPage(context), await openPage(context)];
  await Promise.all([second.page.goto(first + path), third.page.goto(other + path)]);
  const pages = [page, second.page, third.page];
  await Promise.all(pages.map((each) => longerThan(each, 40)));
  assert.ok(await running(third.page), 'all see it while it is written');
  const before = await Promise.all(pages.map(text));
  await shot(third.page, 'second-server-running');
  await Promise.all(
    pages.map((each) =>
      each
        .locator('[data-testid=answer]')
        .last()
        .and(each.locator('[aria-busy=false]'))
        .waitFor({ timeout: 60_000 }),
    ),
  );
  const after = await Promise.all(pages.map(text));
  assert.equal(new Set(after).size, 1, `all show the same: ${JSON.stringify(after)}`);
  before.forEach((some) => assert.ok(after[0].startsWith(some.slice(0, 40)), some));
  assert.match(after[0], new RegExp(process.env.EXPECTED));
  await shot(third.page, 'second-server-ended');
  assert.deepEqual([...complaints, ...second.complaints, ...third.complaints], []);
} finally {
  await browser.close();
}
