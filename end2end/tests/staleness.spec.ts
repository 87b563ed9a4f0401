// Every way in which Clerk's tokens can be behind what the person just did: they arrive, or stand before a screen that
// names the cause. What the browser asks for on the way is counted.
import type { Page } from '@playwright/test';
import { createWhile, expectBounded, expectInside, questions, stillLoading, WAIT_LIMIT } from './support/creation';
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.misbehave());

test('metadata that tokens see 0.7 s late is waited for', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const creation = await createWhile({ metadata_delay_ms: 700 }, page, clerk);
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
  expect(questions(creation.traffic)).toBeGreaterThan(1);
});

test('metadata that no token ever sees ends at a screen that says so and lets the member in', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const creation = await createWhile({ metadata_delay_ms: null }, page, clerk);
  await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
  expect(questions(creation.traffic)).toBe(10);
  await expect(page.getByText('still issues sessions without it')).toBeVisible();
  await page.getByRole('button', { name: 'Open the dashboard anyway' }).click();
  await expectInside(page, creation);
  await expect(page.getByText('Your session is still catching up.')).toBeVisible();
  expectBounded(creation.traffic, ['GET /token-pending', 'POST /dashboard', 'GET /dashboard']);
});
