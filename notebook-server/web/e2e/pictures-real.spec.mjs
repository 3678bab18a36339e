// B4: a citation of a photographed page shows the picture with its words marked. BASE_URL: a running server with tesseract;
// without it nothing runs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { openBrowser, openPage, shot } from './browser.mjs';

const url = process.env.BASE_URL?.replace(/\/$/, '');
const skip = !url;
const image = (name) =>
  readFile(new URL(`../../../notebook-rag/tests/parse/images/${name}`, import.meta.url));
/** "Captain" as it was drawn in places.png: left, top, width, height of 1200 x 700. */
const drawn = { left: 80, top: 376, width: 148, height: 33 };

let browser;
let page;
let complaints;

before(async () => {
  if (skip) return;
  browser = await openBrowser();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' });
  ({ page, complaints } = await openPage(context));
  await page.goto(url);
  await page.getByRole('button', { name: 'New notebook' }).first().click();
  await page.getByRole('heading', { name: 'Start with a source' }).waitFor();
});

after(async () => {
  await browser?.close();
});

const reader = () => page.getByTestId('viewer');
const marks = () => reader().getByTestId('picture-mark');

/** Where the first mark is, in pixels of the picture. */
async function firstMark() {
  const picture = await reader().locator('svg[role=img]').boundingBox();
  const mark = await marks().first().boundingBox();
  const scale = 1200 / picture.width;
  return {
    left: (mark.x - picture.x) * scale,
    top: (mark.y - picture.y) * scale,
    width: mark.width * scale,
    height: mark.height * scale,
  };
}

/** The mark is its word with a little around it. */
function assertDrawn(mark) {
  const around = drawn.height * 0.2 + 5;
  for (const [name, value] of Object.entries(drawn)) {
    const most = ['width', 'height'].includes(name) ? 2 * around : around;
    assert.ok(Math.abs(mark[name] - value) <= most, `${name}: ${mark[name]}, drawn at ${value}`);
  }
}

test('b4 the cited words are marked in the picture, at any size', { skip }, async () => {
  const files = [
    { name: 'places.png', mimeType: 'image/png', buffer: await image('places.png') },
    { name: 'photo.jpg', mimeType: 'image/jpeg', buffer: await image('photo.jpg') },
  ];
  await page.getByTestId('file-input').setInputFiles(files);
  for (const { name } of files)
    await page
      .locator('[data-testid=source][data-stage=ready]')
      .filter({ hasText: name })
      .waitFor({ timeout: 240_000 });
  await page.getByLabel('Your question').fill('What did Captain Aalto propose?');
  await page.keyboard.press('Enter');
  const cited = page.locator('[data-testid=citation][aria-label*="places.png"]').first();
  await cited.waitFor({ timeout: 120_000 });
  await page.locator('[data-testid=answer][aria-busy=false]').waitFor({ timeout: 120_000 });
  await cited.hover();
  const card = page.getByTestId('citation-card');
  await card.getByTestId('picture-mark').first().waitFor();
  await shot(page, 'citation-in-picture');
  await cited.click();
  await marks().first().waitFor();
  assert.match(await reader().getByRole('img').getAttribute('aria-label'), /places\.png, the cited words/);
  await shot(page, 'picture');
  assertDrawn(await firstMark());
  const larger = reader().getByRole('button', { name: 'Larger' });
  for (let times = 0; times < 4; times += 1) {
    await larger.click();
    await page.waitForTimeout(300);
    assertDrawn(await firstMark());
    // What is marked stays in sight.
    const [mark, pane] = [await marks().first().boundingBox(), await reader().boundingBox()];
    assert.ok(mark.x >= pane.x - 1 && mark.y >= pane.y - 1 && mark.y + mark.height <= pane.y + pane.height);
  }
  await shot(page, 'picture-large');
  assert.ok(await larger.isDisabled());
});

test('b4 the recognised text is one press away', { skip }, async () => {
  await reader().getByRole('button', { name: 'Text', exact: true }).click();
  await reader().getByTestId('highlight').first().waitFor();
  const words = (await reader().getByTestId('highlight').allTextContents()).join(' ');
  assert.match(words, /Captain Aalto/);
  await reader().getByRole('button', { name: 'Picture', exact: true }).click();
  await marks().first().waitFor();
});

test('b4 a photograph stands upright, and the whole page holds on a phone', { skip }, async () => {
  await page.getByRole('button', { name: 'Read photo.jpg' }).click();
  const picture = reader().getByRole('img', { name: 'Picture photo.jpg' });
  await picture.waitFor();
  await shot(page, 'photograph');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(300);
  const [box, pane] = [await picture.boundingBox(), await reader().boundingBox()];
  assert.ok(box.width <= pane.width, `${box.width} in ${pane.width}`);
  await shot(page, 'photograph-narrow');
  assert.deepEqual(complaints, []);
});
