// The page as axe sees it: one line for each rule that is broken.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function accessibilityProblems(page: Page): Promise<string[]> {
  // Evaluated by the test driver, so the page's Content Security Policy does not apply to it.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await (window as any).axe.run();
    return violations.map((rule: any) => `${rule.id}: ${rule.nodes.map((node: any) => node.target.join(' ')).join(', ')}`);
  });
}
