// The page as axe sees it: one line for each rule that is broken.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** `except`: selectors of what is not ours to mend. */
export async function accessibilityProblems(page: Page, except: string[] = []): Promise<string[]> {
  // Evaluated by the test driver, so the page's Content Security Policy does not apply to it.
  await page.evaluate(axe);
  return page.evaluate(async (exclude) => {
    // A colour that is on its way to another one is neither.
    const changing = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.allSettled(changing.map((animation) => animation.finished));
    const { violations } = await (window as any).axe.run({ exclude });
    return violations.map((rule: any) => `${rule.id}: ${rule.nodes.map((node: any) => node.target.join(' ')).join(', ')}`);
  }, except);
}
