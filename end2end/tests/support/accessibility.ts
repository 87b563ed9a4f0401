// Runs axe on a page and returns one line for each rule that is violated.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** `except`: selectors of what is not ours to fix. */
export async function accessibilityProblems(page: Page, except: string[] = []): Promise<string[]> {
  // Evaluated by the test driver, so the page's Content Security Policy does not apply.
  await page.evaluate(axe);
  return page.evaluate(async (exclude) => {
    // Contrast is measured only after color transitions have ended.
    const changing = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.allSettled(changing.map((animation) => animation.finished));
    const { violations } = await (window as any).axe.run({ exclude });
    return violations.map((rule: any) => `${rule.id}: ${rule.nodes.map((node: any) => node.target.join(' ')).join(', ')}`);
  }, except);
}
