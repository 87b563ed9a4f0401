// Pages in the background.
import type { Page } from '@playwright/test';
import { expect } from './test';

/**
 * Another page in front. Playwright makes every page believe that it has the focus, and without a screen Chromium hides
 * none: what a hidden page notices is done here, its slow timers among it.
 */
export async function putBehind(page: Page, front: Page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Emulation.setFocusEmulationEnabled', { enabled: false });
  await front.bringToFront();
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true });
    Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
    const { setTimeout } = window;
    window.setTimeout = ((handler: TimerHandler, ms = 0, ...rest: unknown[]) => setTimeout(handler, Math.max(ms, 1_000), ...rest)) as typeof window.setTimeout;
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    window.dispatchEvent(new Event('blur'));
  });
  expect(await page.evaluate(() => document.hasFocus())).toBe(false);
}

/** The page in front again, with what it notices of that. */
export async function bringBack(page: Page): Promise<void> {
  await page.bringToFront();
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { get: () => 'visible', configurable: true });
    Object.defineProperty(document, 'hidden', { get: () => false, configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    window.dispatchEvent(new Event('focus'));
  });
}
