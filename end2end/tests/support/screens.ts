// What every screen must be: accessible in both color schemes, and not wider than the screen.
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { accessibilityProblems } from './accessibility';
import { expect } from './test';

const SCREENSHOTS = fileURLToPath(new URL('../../screenshots/', import.meta.url));

/** `except`: selectors of what is not ours to fix. The page stays in the dark scheme. */
export async function expectAccessible(page: Page, except: string[] = []): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await accessibilityProblems(page, except), colorScheme).toEqual([]);
  }
}

/** Nothing is wider than the screen, so nothing needs horizontal scrolling. */
export async function expectFits(page: Page): Promise<void> {
  const sideways = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.body.querySelectorAll('*')].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.height > 0 && (box.right > width + 1 || box.left < -1) && getComputedStyle(element).position !== 'fixed';
    });
    const names = wide.map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}`);
    return { scrollable: document.documentElement.scrollWidth > width || document.body.scrollWidth > width, names };
  });
  expect(sideways.scrollable, `wider than the screen: ${sideways.names.join(', ')}`).toBe(false);
}

/** A picture to look at, in `end2end/screenshots`. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true });
}
