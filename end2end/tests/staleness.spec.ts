// Every way in which Clerk's tokens can be behind what the person just did, alone and in the pairs that hide from each
// other: they arrive, or stand before a screen that names the cause. What the browser asks for on the way is counted.
import type { FaultSettings } from './support/clerk';
import {
  cause, createWhile, expectBounded, expectInside, questions, statusQuestions, stillLoading, TOKENS, WAIT_LIMIT,
} from './support/creation';
import { openAccountMenu } from './support/people';
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.misbehave());

interface Form {
  /** As it is from the moment the button is pressed. */
  wishes?: FaultSettings;
  /** As it is since before the page was loaded. */
  fromLoad?: FaultSettings;
  /** How often Clerk is asked: exactly, or from how often to how often. */
  questions: number | [least: number, most: number];
}

const MINTER = { session_minter: true };
const LATE = { metadata_delay_ms: 700 };
const OLD = { last_active_token: 'old' } as const;

const ARRIVES: Record<string, Form> = {
  'metadata is seen late': { wishes: LATE, questions: [2, 10] },
  // The reload repeats the old token, and only a token made now is new.
  'last_active_token is old': { wishes: OLD, questions: 2 },
  'the edge copies claims': { fromLoad: MINTER, questions: 1 },
  // The reload brings a token, but not into the cookie.
  'a reload answers without client': { wishes: { omit_client: true }, questions: 2 },
  'tokens have no oiat': { fromLoad: { omit_oiat: true }, questions: 1 },
  // clerk-js holds a token with oiat for newer than the reload's, which has none.
  'tokens lose their oiat': { wishes: { omit_oiat: true }, questions: 2 },
  'tokens live 10 s': { fromLoad: { token_lifetime_s: 10 }, questions: [1, 3] },
  'the clock of Clerk is 3 s ahead': { wishes: { clock_offset_ms: 3_000 }, questions: 1 },
  'the clock of Clerk is 3 s behind': { wishes: { clock_offset_ms: -3_000 }, questions: 1 },
  'the clock of Clerk is 30 s behind, less than a token lives': { wishes: { clock_offset_ms: -30_000 }, questions: 1 },

  'last_active_token is old and the edge copies claims': { fromLoad: MINTER, wishes: OLD, questions: 2 },
  'metadata is seen late and last_active_token is old': { wishes: { ...LATE, ...OLD }, questions: [2, 10] },
  'metadata is seen late and the edge copies claims': { fromLoad: MINTER, wishes: LATE, questions: [2, 10] },
  'a reload answers without client and tokens have no oiat': { wishes: { omit_client: true, omit_oiat: true }, questions: 2 },
  'the edge copies claims and a reload answers without client': { fromLoad: MINTER, wishes: { omit_client: true }, questions: 2 },
  'all of it at once': {
    fromLoad: { ...MINTER, token_lifetime_s: 20 },
    wishes: { ...LATE, ...OLD, omit_client: true, omit_oiat: true, clock_offset_ms: -3_000 },
    questions: [2, 10],
  },
};

for (const [what, { wishes, fromLoad, questions: expected }] of Object.entries(ARRIVES)) {
  test(`they arrive when ${what}`, async ({ page, context, clerk }) => {
    await clerk.signedIn(context);
    const creation = await createWhile(wishes ?? {}, page, clerk, fromLoad);
    await expectInside(page, creation);
    expectBounded(creation.traffic, ['GET /dashboard']);
    const [least, most] = typeof expected === 'number' ? [expected, expected] : expected;
    expect(questions(creation.traffic)).toBeGreaterThanOrEqual(least);
    expect(questions(creation.traffic)).toBeLessThanOrEqual(most);
    // One, and up to two before it if our own outbox was a moment late.
    expect(statusQuestions(creation.traffic)).toBeLessThanOrEqual(3);
  });
}

test('without a claims template nobody waits: one question to our server, none to Clerk', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const creation = await createWhile({}, page, clerk, { omit_custom_claims: true });
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
  expect(questions(creation.traffic)).toBe(0);
  expect(statusQuestions(creation.traffic)).toBe(1);
});

test('a token that does not say for which site it is, is made again', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  expectProblem(/session_status answered 401/);
  await page.route('**/api/rpc/session_status', async (route) => {
    const response = await route.fetch();
    // The next one says it.
    await clerk.misbehave();
    await route.fulfill({ response });
  });
  const creation = await createWhile({ omit_azp: true }, page, clerk);
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
  expect(questions(creation.traffic)).toBe(2);
  expect(statusQuestions(creation.traffic)).toBe(2);
});

/** The wait fills its bound, then comes the screen with this cause. Once Clerk is healthy again, it opens by itself. */
const NEVER: Record<string, { wishes: FaultSettings; because: string; refused?: boolean }> = {
  'no token ever sees the metadata': {
    wishes: { metadata_delay_ms: null },
    because: 'knows about your organization, but still issues sessions without it',
  },
  'no token says for which site it is': {
    wishes: { omit_azp: true },
    because: 'does not say which site it is for',
    refused: true,
  },
  'the clock of Clerk is 30 s ahead': {
    wishes: { clock_offset_ms: 30_000 },
    because: 'dated in the future. The clocks of this site and of the sign-in service disagree',
    refused: true,
  },
  'the clock of Clerk is further behind than a token lives': {
    wishes: { clock_offset_ms: -90_000 },
    because: 'has expired. The sign-in service has not issued a new one yet, or its clock is behind ours',
    refused: true,
  },
};

for (const [what, { wishes, because, refused }] of Object.entries(NEVER)) {
  test(`when ${what}, the screen says so, and opens by itself once it is mended`, async ({ page, context, clerk, expectProblem }) => {
    test.setTimeout(60_000);
    await clerk.signedIn(context);
    if (refused) expectProblem(/session_status answered 401/, [10, 30]);
    const creation = await createWhile(wishes, page, clerk);
    const { traffic } = creation;
    await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
    await expect(cause(page)).toContainText(because);
    // An expired token makes clerk-js itself ask every 1.5 s.
    expectBounded(traffic, ['GET /token-pending'], 24);
    expect(questions(traffic)).toBeGreaterThanOrEqual(10);

    await clerk.misbehave();
    await expectInside(page, creation);
    expectBounded(traffic, ['GET /token-pending', 'GET /dashboard'], 30);
  });
}

test('when Clerk repeats and copies old tokens, whatever this page asks, the next page arrives', async ({ page, context, clerk }) => {
  test.setTimeout(60_000);
  await clerk.signedIn(context);
  // clerk-js learns of the edge when it loads: this page does not ask for a token from the origin, the screen after it does.
  const creation = await createWhile({ ...OLD, ...MINTER }, page, clerk);
  await expect(page).toHaveURL('/dashboard', { timeout: 20_000 });
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /token-pending', 'GET /dashboard'], 24);
  expect(questions(creation.traffic)).toBeGreaterThanOrEqual(10);
});

test('metadata that is never seen, and calls that are refused: the screen lets the member in', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  expectProblem(/\/tokens.* answered 429/, [1, 20]);
  const creation = await createWhile({ metadata_delay_ms: null, faults: [{ ...TOKENS, status: 429, count: 1_000 }] }, page, clerk);
  await expect(stillLoading(page)).toBeVisible(WAIT_LIMIT);
  await page.getByRole('button', { name: 'Open the dashboard' }).click();
  await expectInside(page, creation);
  await expect(page.getByText('Your session is still catching up.')).toBeVisible();
  expectBounded(creation.traffic, ['GET /token-pending', 'POST /dashboard', 'GET /dashboard'], 24);
});

test('a token that turns old again inside is renewed on the way, and leads to no form', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  // Without oiat clerk-js takes any later token for a newer one.
  const creation = await createWhile({ ...OLD, omit_oiat: true }, page, clerk);
  await expectInside(page, creation);
  const { traffic } = creation;
  // The menu loads clerk-js, which is handed the old token.
  await openAccountMenu(page);
  await page.waitForFunction(() => (window as unknown as { Clerk?: { loaded: boolean } }).Clerk?.loaded);
  await page.reload();
  await expectInside(page, creation);
  expect(traffic.documents()).toEqual(['GET /dashboard', 'GET /dashboard', 'GET /token-pending', 'GET /dashboard']);
  expect(traffic.paths()).not.toContain('/onboarding');
});
