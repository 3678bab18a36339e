// What axe finds in a page, for the specs of accessibility.
import assert from 'node:assert/strict';
import axe from 'axe-core';
import { openPage, shot } from './browser.mjs';

export const themes = ['light', 'dark'];

/** A page in this theme, without movement: what is on its way in or out has no colours of its own yet. */
export const openIn = async (browser, theme) =>
  openPage(
    await browser.newContext({
      viewport: { width: 1440, height: 900 },
      colorScheme: theme,
      locale: 'en-GB',
      reducedMotion: 'reduce',
    }),
  );

/** The serious and critical flaws of what is on the page, a line each: the view, the rule, the place. */
export async function flaws(page, view) {
  await page.waitForTimeout(200);
  await page.evaluate(`if (!window.axe) { ${axe.source} }`);
  const { violations, passes } = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ['violations'] }),
  );
  assert.ok(passes.length > 5, 'axe has looked at the page');
  await shot(page, `axe-${view}`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) =>
      nodes.map(
        (node) => `${view}: ${id}: ${help} at ${node.target.join(' ')} (${node.any[0]?.message ?? ''})`,
      ),
    );
}
