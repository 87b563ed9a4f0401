// Clerk slow, limited and down: the emulator misbehaves for real, and the person arrives, or reads why not. In no case
// does the form come back.
import {
  callsToClerk, cause, createWhile, expectBounded, expectInside, questions, RELOAD, statusQuestions, stillLoading, TELLING, TOKENS, WAIT_LIMIT,
} from './support/creation';
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.misbehave());

for (const [what, fault] of [
  ['answers 500 twice', { status: 500, count: 2 }],
  ['asks to come back in a second', { status: 429, retry_after_s: 1, count: 1 }],
  ['cuts the connection', { cut: true, count: 1 }],
  ['answers after 3 s', { delay_ms: 3_000, count: 1 }],
] as const) {
  test(`when Clerk ${what}, the organization is stored and the person arrives`, async ({ page, context, clerk }) => {
    await clerk.signedIn(context);
    const creation = await createWhile({ faults: [{ ...TELLING, ...fault }] }, page, clerk);
    await expectInside(page, creation);
    expectBounded(creation.traffic, ['GET /dashboard']);
    // Our server is asked until Clerk has been told; then one reload brings the token.
    expect(statusQuestions(creation.traffic)).toBeGreaterThan(1);
    expect(callsToClerk(creation.traffic)).toBe(1);
    expect(await clerk.faultsLeft(), 'the fault did not happen').toEqual([0]);
  });
}

test('when Clerk stays down, the screen names the cause, and opens by itself once it is back', async ({ page, context, clerk }) => {
  test.setTimeout(60_000);
  await clerk.signedIn(context);
  const creation = await createWhile({ faults: [{ ...TELLING, status: 503, count: 1_000 }] }, page, clerk);
  const { traffic } = creation;
  await expect(page.getByRole('heading', { name: 'Organization created' })).toBeVisible();
  await expect.poll(() => statusQuestions(traffic)).toBeGreaterThan(5);
  expect(callsToClerk(traffic)).toBe(0);
  await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
  await expect(cause(page)).toContainText('has not reached the sign-in service yet');
  expectBounded(traffic, ['GET /token-pending']);

  // The screen that refreshes by itself asks Clerk once, for an old token might be all that is wrong.
  traffic.forget();
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('heading', { name: 'Refreshing your session' })).toBeVisible();
  await expect(stillLoading(page)).toBeVisible();
  expect(questions(traffic)).toBeLessThanOrEqual(2);

  await clerk.misbehave();
  await expect(page).toHaveURL('/dashboard', { timeout: 40_000 });
  await expectInside(page, creation);
  expect(traffic.documents()).toEqual(['GET /token-pending', 'GET /token-pending', 'GET /dashboard']);
});

test('when Clerk refuses every token call, its patience is not ours: the wait ends in time and says who did not answer', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  // clerk-js repeats them by itself for more than a minute.
  const limited = { status: 429, count: 1_000 };
  expectProblem(/\/__clerk\/v1\/client\/sessions\/.* answered 429/, [2, 30]);
  const creation = await createWhile({ faults: [{ ...RELOAD, ...limited }, { ...TOKENS, ...limited }] }, page, clerk);
  const { traffic } = creation;
  const started = Date.now();
  await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
  expect(Date.now() - started).toBeLessThan(12_000);
  // Which of the two it was last: refused at once, or silent, because clerk-js repeats the call by itself.
  await expect(cause(page)).toContainText(/got no usable answer\. The service is down, or too busy\.|has not answered your browser yet\. It is busy/);
  await expect(page.getByRole('region', { name: 'What we know' })).toContainText(creation.organization.name);
  // Ours, and those that clerk-js had begun to repeat.
  expectBounded(traffic, ['GET /token-pending'], 24);

  await clerk.misbehave();
  traffic.forget();
  await expectInside(page, creation);
  expect(traffic.documents()).toEqual(['GET /dashboard']);
});

test('when only one of the two calls for a token is refused, the other one is enough', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  expectProblem(/\/tokens.* answered 429/, [1, 10]);
  const creation = await createWhile({ metadata_delay_ms: 400, faults: [{ ...TOKENS, status: 429, count: 1_000 }] }, page, clerk);
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
});

test('people who are told to Clerk only after a restart of the app arrive', async ({ page, context, clerk, app }) => {
  test.setTimeout(90_000);
  await clerk.signedIn(context);
  const creation = await createWhile({ faults: [{ ...TELLING, delay_ms: 60_000, count: 1 }] }, page, clerk);
  await expect(page.getByRole('heading', { name: 'Organization created' })).toBeVisible();
  expect(await clerk.faultsLeft(), 'Clerk was not being told when the app was killed').toEqual([0]);
  await page.goto('about:blank');
  // The process ends between the commit and Clerk's answer.
  await app.restart('SIGKILL');
  await expect(async () => {
    await page.goto('/dashboard');
    await expectInside(page, creation);
  }).toPass({ timeout: 60_000 });
  expect(creation.traffic.paths()).not.toContain('/onboarding');
});
