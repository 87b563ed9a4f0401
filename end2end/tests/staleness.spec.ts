// Every way in which Clerk's tokens can be stale, alone and in the combinations that mask each other: the user reaches
// the dashboard, or a screen that names the cause. The browser's calls on the way are counted.
import type { FaultSettings } from './support/clerk';
import {
  cause, createWhile, expectBounded, expectInside, tokenCalls, statusCalls, stillLoading, TOKENS, WAIT_LIMIT,
} from './support/creation';
import { openAccountMenu } from './support/users';
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

interface Form {
  /** In effect from the click on. */
  settings?: FaultSettings;
  /** In effect from before the page loads. */
  fromLoad?: FaultSettings;
  /** How often Clerk is asked for a token: a number or a range. */
  tokenCalls: number | [least: number, most: number];
}

const MINTER = { session_minter: true };
const LATE = { metadata_delay_ms: 700 };
const OLD = { last_active_token: 'old' } as const;

const ARRIVES: Record<string, Form> = {
  'metadata is visible late': { settings: LATE, tokenCalls: [2, 10] },
  // The reload repeats the old token; only `getToken` brings a new one.
  'last_active_token is old': { settings: OLD, tokenCalls: 2 },
  'the edge copies claims': { fromLoad: MINTER, tokenCalls: 1 },
  // The reload returns a token, but does not set the cookie.
  'a reload answers without client': { settings: { omit_client: true }, tokenCalls: 2 },
  'tokens have no oiat': { fromLoad: { omit_oiat: true }, tokenCalls: 1 },
  // clerk-js takes a token with oiat to be newer than the reload's, which has none.
  'tokens lose their oiat': { settings: { omit_oiat: true }, tokenCalls: 2 },
  'tokens live 10 s': { fromLoad: { token_lifetime_s: 10 }, tokenCalls: [1, 3] },
  "Clerk's clock is 3 s ahead": { settings: { clock_offset_ms: 3_000 }, tokenCalls: 1 },
  "Clerk's clock is 3 s behind": { settings: { clock_offset_ms: -3_000 }, tokenCalls: 1 },
  "Clerk's clock is 30 s behind, less than a token lives": { settings: { clock_offset_ms: -30_000 }, tokenCalls: 1 },

  'last_active_token is old and the edge copies claims': { fromLoad: MINTER, settings: OLD, tokenCalls: 2 },
  'metadata is visible late and last_active_token is old': { settings: { ...LATE, ...OLD }, tokenCalls: [2, 10] },
  'metadata is visible late and the edge copies claims': { fromLoad: MINTER, settings: LATE, tokenCalls: [2, 10] },
  'a reload answers without client and tokens have no oiat': { settings: { omit_client: true, omit_oiat: true }, tokenCalls: 2 },
  'the edge copies claims and a reload answers without client': { fromLoad: MINTER, settings: { omit_client: true }, tokenCalls: 2 },
  'all of this happens at once': {
    fromLoad: { ...MINTER, token_lifetime_s: 20 },
    settings: { ...LATE, ...OLD, omit_client: true, omit_oiat: true, clock_offset_ms: -3_000 },
    tokenCalls: [2, 10],
  },
};

for (const [what, { settings, fromLoad, tokenCalls: expected }] of Object.entries(ARRIVES)) {
  test(`the user reaches the dashboard when ${what}`, async ({ page, context, clerk }) => {
    await clerk.signedIn(context);
    const creation = await createWhile(settings ?? {}, page, clerk, fromLoad);
    await expectInside(page, creation);
    expectBounded(creation.traffic, ['GET /dashboard']);
    const [least, most] = typeof expected === 'number' ? [expected, expected] : expected;
    expect(tokenCalls(creation.traffic)).toBeGreaterThanOrEqual(least);
    expect(tokenCalls(creation.traffic)).toBeLessThanOrEqual(most);
    // One, plus up to two before it if our outbox was a moment late.
    expect(statusCalls(creation.traffic)).toBeLessThanOrEqual(3);
  });
}

test('without a claims template there is no wait: one call to our server, none to Clerk', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const creation = await createWhile({}, page, clerk, { omit_custom_claims: true });
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
  expect(tokenCalls(creation.traffic)).toBe(0);
  expect(statusCalls(creation.traffic)).toBe(1);
});

test('a token without an authorized party is replaced', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  expectProblem(/session_status answered 401/);
  await page.route('**/api/rpc/session_status', async (route) => {
    const response = await route.fetch();
    // The next token has one.
    await clerk.resetFaults();
    await route.fulfill({ response });
  });
  const creation = await createWhile({ omit_azp: true }, page, clerk);
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
  expect(tokenCalls(creation.traffic)).toBe(2);
  expect(statusCalls(creation.traffic)).toBe(2);
});

/** The wait reaches its bound, then the screen names this cause. Once Clerk is healthy again, the dashboard opens by itself. */
const NEVER: Record<string, { settings: FaultSettings; because: string; refused?: boolean }> = {
  'no token ever carries the metadata': {
    settings: { metadata_delay_ms: null },
    because: 'knows about your organization, but still issues sessions without it',
  },
  'no token has an authorized party': {
    settings: { omit_azp: true },
    because: 'does not say which site it is for',
    refused: true,
  },
  "Clerk's clock is 30 s ahead": {
    settings: { clock_offset_ms: 30_000 },
    because: 'dated in the future. The clocks of this site and of the sign-in service disagree',
    refused: true,
  },
  "Clerk's clock is further behind than a token lives": {
    settings: { clock_offset_ms: -90_000 },
    because: 'has expired. The sign-in service has not issued a new one yet, or its clock is behind ours',
    refused: true,
  },
};

for (const [what, { settings, because, refused }] of Object.entries(NEVER)) {
  test(`when ${what}, the screen says so, and the dashboard opens by itself once it is fixed`, async ({ page, context, clerk, expectProblem }) => {
    test.setTimeout(60_000);
    await clerk.signedIn(context);
    if (refused) expectProblem(/session_status answered 401/, [10, 30]);
    const creation = await createWhile(settings, page, clerk);
    const { traffic } = creation;
    await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
    await expect(cause(page)).toContainText(because);
    // With an expired token, clerk-js itself asks every 1.5 s.
    expectBounded(traffic, ['GET /token-pending'], 24);
    expect(tokenCalls(traffic)).toBeGreaterThanOrEqual(10);

    await clerk.resetFaults();
    await expectInside(page, creation);
    expectBounded(traffic, ['GET /token-pending', 'GET /dashboard'], 30);
  });
}

test('when every call from this page returns an old token, the next page reaches the dashboard', async ({ page, context, clerk }) => {
  test.setTimeout(60_000);
  await clerk.signedIn(context);
  // clerk-js learns about the edge when it loads: this page does not request a token from the origin, the next page
  // does.
  const creation = await createWhile({ ...OLD, ...MINTER }, page, clerk);
  await expect(page).toHaveURL('/dashboard', { timeout: 20_000 });
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /token-pending', 'GET /dashboard'], 24);
  expect(tokenCalls(creation.traffic)).toBeGreaterThanOrEqual(10);
});

test('when metadata is never visible and token calls are rejected, the screen lets the member in', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  expectProblem(/\/tokens.* answered 429/, [1, 20]);
  const creation = await createWhile({ metadata_delay_ms: null, faults: [{ ...TOKENS, status: 429, count: 1_000 }] }, page, clerk);
  await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
  await page.getByRole('button', { name: 'Open the dashboard' }).click();
  await expectInside(page, creation);
  await expect(page.getByText('Your session is still catching up.')).toBeVisible();
  expectBounded(creation.traffic, ['GET /token-pending', 'POST /dashboard', 'GET /dashboard'], 24);
});

test('a token that becomes stale again on the dashboard is renewed on the way, without showing the form', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  // Without oiat clerk-js takes any later token for a newer one.
  const creation = await createWhile({ ...OLD, omit_oiat: true }, page, clerk);
  await expectInside(page, creation);
  const { traffic } = creation;
  // The menu loads clerk-js, which gets the old token.
  await openAccountMenu(page);
  await page.waitForFunction(() => (window as unknown as { Clerk?: { loaded: boolean } }).Clerk?.loaded);
  await page.reload();
  await expectInside(page, creation);
  expect(traffic.documents()).toEqual(['GET /dashboard', 'GET /dashboard', 'GET /token-pending', 'GET /dashboard']);
  expect(traffic.paths()).not.toContain('/onboarding');
});
