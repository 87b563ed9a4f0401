// Puts a page into the background, and back.
import type { Page } from '@playwright/test';
import { expect } from './test';

/**
 * Brings another page to the front. Playwright emulates focus on every page, and headless Chromium never hides one, so
 * this simulates what a hidden page observes, including its throttled timers.
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

/** Brings the page to the front again, with the events it would observe. */
export async function bringBack(page: Page): Promise<void> {
  await page.bringToFront();
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { get: () => 'visible', configurable: true });
    Object.defineProperty(document, 'hidden', { get: () => false, configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    window.dispatchEvent(new Event('focus'));
  });
}
