// Clerk is slow, rate-limited or down: the user reaches the dashboard, or reads why not. The form never comes back.
import {
  callsToClerk, cause, createWhile, expectBounded, expectInside, tokenCalls, RELOAD, statusCalls, stillLoading, NOTIFYING, TOKENS, WAIT_LIMIT,
} from './support/creation';
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

for (const [what, fault] of [
  ['answers 500 twice', { status: 500, count: 2 }],
  ['asks to come back in a second', { status: 429, retry_after_s: 1, count: 1 }],
  ['cuts the connection', { cut: true, count: 1 }],
  ['answers after 3 s', { delay_ms: 3_000, count: 1 }],
] as const) {
  test(`when Clerk ${what}, the organization is stored and the user reaches the dashboard`, async ({ page, context, clerk }) => {
    await clerk.signedIn(context);
    const creation = await createWhile({ faults: [{ ...NOTIFYING, ...fault }] }, page, clerk);
    await expectInside(page, creation);
    expectBounded(creation.traffic, ['GET /dashboard']);
    // Our server is polled until Clerk has been notified; then one reload gets the token.
    expect(statusCalls(creation.traffic)).toBeGreaterThan(1);
    expect(callsToClerk(creation.traffic)).toBe(1);
    expect(await clerk.faultsLeft(), 'the fault did not happen').toEqual([0]);
  });
}

test('when Clerk stays down, the screen names the cause, and opens by itself once it is back', async ({ page, context, clerk }) => {
  test.setTimeout(60_000);
  await clerk.signedIn(context);
  const creation = await createWhile({ faults: [{ ...NOTIFYING, status: 503, count: 1_000 }] }, page, clerk);
  const { traffic } = creation;
  await expect(page.getByRole('heading', { name: 'Organization created' })).toBeVisible();
  await expect.poll(() => statusCalls(traffic)).toBeGreaterThan(5);
  expect(callsToClerk(traffic)).toBe(0);
  await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
  await expect(cause(page)).toContainText('has not reached the sign-in service yet');
  expectBounded(traffic, ['GET /token-pending']);

  // The screen that refreshes by itself asks Clerk once, in case only the token was stale.
  traffic.forget();
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('heading', { name: 'Refreshing your session' })).toBeVisible();
  await expect(stillLoading(page)).toBeVisible();
  expect(tokenCalls(traffic)).toBeLessThanOrEqual(2);

  await clerk.resetFaults();
  await expect(page).toHaveURL('/dashboard', { timeout: 40_000 });
  await expectInside(page, creation);
  expect(traffic.documents()).toEqual(['GET /token-pending', 'GET /token-pending', 'GET /dashboard']);
});

test("when Clerk rejects every token call, the wait ends by its own limit, not clerk-js's, and names the cause", async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  // clerk-js retries them by itself for more than a minute.
  const limited = { status: 429, count: 1_000 };
  expectProblem(/\/__clerk\/v1\/client\/sessions\/.* answered 429/, [2, 30]);
  const creation = await createWhile({ faults: [{ ...RELOAD, ...limited }, { ...TOKENS, ...limited }] }, page, clerk);
  const { traffic } = creation;
  const started = Date.now();
  await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
  expect(Date.now() - started).toBeLessThan(12_000);
  // The last call was either rejected or, because clerk-js was still retrying it, unanswered.
  await expect(cause(page)).toContainText(/got no usable answer\. The service is down, or too busy\.|has not answered your browser yet\. It is busy/);
  await expect(page.getByRole('region', { name: 'What we know' })).toContainText(creation.organization.name);
  // Ours, and the retries that clerk-js had begun.
  expectBounded(traffic, ['GET /token-pending'], 24);

  await clerk.resetFaults();
  traffic.forget();
  await expectInside(page, creation);
  expect(traffic.documents()).toEqual(['GET /dashboard']);
});

test('when only one of the two token calls is rejected, the other one is enough', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  expectProblem(/\/tokens.* answered 429/, [1, 10]);
  const creation = await createWhile({ metadata_delay_ms: 400, faults: [{ ...TOKENS, status: 429, count: 1_000 }] }, page, clerk);
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
});

test('when Clerk is notified only after a restart of the app, the user reaches the dashboard', async ({ page, context, clerk, app }) => {
  test.setTimeout(90_000);
  await clerk.signedIn(context);
  const creation = await createWhile({ faults: [{ ...NOTIFYING, delay_ms: 60_000, count: 1 }] }, page, clerk);
  await expect(page.getByRole('heading', { name: 'Organization created' })).toBeVisible();
  expect(await clerk.faultsLeft(), 'the call to Clerk was not in flight when the app was killed').toEqual([0]);
  await page.goto('about:blank');
  // The process dies between the commit and Clerk's response.
  await app.restart('SIGKILL');
  await expect(async () => {
    await page.goto('/dashboard');
    await expectInside(page, creation);
  }).toPass({ timeout: 60_000 });
  expect(creation.traffic.paths()).not.toContain('/onboarding');
});
