// Browser events during the wait: other tabs, background pages, sign-outs, a lost connection.
import type { Page } from '@playwright/test';
import type { FaultSettings } from './support/clerk';
import { createWhile, expectBounded, expectInside, fillIn, press, tokenCalls, statusCalls, NOTIFYING, WAIT_LIMIT } from './support/creation';
import { putBehind } from './support/background';
import { expect, test } from './support/test';
import { Traffic } from './support/traffic';

const DELAYED = { metadata_delay_ms: 1_000 };

test.afterEach(async ({ clerk }) => clerk.resetFaults());

/** Returns once the wait is under way. */
async function waiting(page: Page, traffic: Traffic) {
  await expect(page.getByRole('heading', { name: 'Organization created' })).toBeVisible();
  await expect.poll(() => tokenCalls(traffic)).toBeGreaterThan(0);
}

test('a page in the background reaches the dashboard', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const creation = await fillIn(page);
  await clerk.setFaults(DELAYED);
  await press(page, creation);
  await putBehind(page, await context.newPage());
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
});

test('a second tab opened during the wait shows no form, and both reach the dashboard', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const creation = await createWhile(DELAYED, page, clerk);
  await waiting(page, creation.traffic);
  const other = await context.newPage();
  const traffic = new Traffic(other);
  await other.goto('/dashboard');
  await expectInside(other, creation);
  expect(traffic.documents()).toEqual(['GET /dashboard', 'GET /token-pending', 'GET /dashboard']);
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
});

test('a tab closed during the wait loses nothing: opened again, it reaches the dashboard', async ({ page, context, clerk }) => {
  const signedIn = await clerk.signedIn(context);
  const creation = await createWhile(DELAYED, page, clerk);
  await waiting(page, creation.traffic);
  await page.close();

  const again = await context.newPage();
  const traffic = new Traffic(again);
  await again.goto('/onboarding');
  await expectInside(again, creation);
  // The form's own address leads away from it.
  expect(traffic.documents()).toEqual(['GET /onboarding', 'GET /token-pending', 'GET /dashboard']);
  // A second creation returns the same organization.
  const answer = await context.request.post('/api/organizations/create', {
    headers: { origin: new URL(again.url()).origin },
    data: { name: 'A second one', slug: `second-${signedIn.userId.slice(-8).toLowerCase()}` },
  });
  expect(answer.status()).toBe(200);
  expect((await answer.json()).organization.slug).toBe(creation.organization.slug);
});

const SIGNED_OUT: Record<string, FaultSettings> = {
  'while Clerk issues stale tokens': { metadata_delay_ms: null },
  'while Clerk has not been notified': { faults: [{ ...NOTIFYING, status: 503, count: 1_000 }] },
};

for (const [where, settings] of Object.entries(SIGNED_OUT)) {
  test(`signing out in another tab ends the wait at once, ${where}`, async ({ page, context, clerk, expectProblem }) => {
    await clerk.signedIn(context);
    const other = await context.newPage();
    await other.goto('/onboarding');
    await clerkIsReady(other);
    // Calls that were in flight when the session ended.
    expectProblem(/ answered 401/, [0, 5]);
    const creation = await createWhile(settings, page, clerk);
    await expect(page.getByRole('heading', { name: 'Organization created' })).toBeVisible();

    await other.evaluate(() => void (window as unknown as { Clerk: { signOut(): Promise<void> } }).Clerk.signOut());
    await expectSignedOut(page);
    expectBounded(creation.traffic, ['GET /sign-in']);
    expect(tokenCalls(creation.traffic) + statusCalls(creation.traffic)).toBeLessThan(12);
  });
}

test('signing out without JavaScript in another tab also ends the wait at once', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  const other = await context.newPage();
  await other.goto('/onboarding');
  // Clerk's answer that the session has ended.
  expectProblem(/\/__clerk\/.* answered 401/, [1, 5]);
  expectProblem(/session_status answered 401/, [0, 2]);
  const creation = await createWhile({ metadata_delay_ms: null }, page, clerk);
  await waiting(page, creation.traffic);
  await other.getByRole('button', { name: 'Sign out' }).click();
  await expectSignedOut(page);
  expectBounded(creation.traffic, ['GET /sign-in']);
});

test('the wait continues when a lost connection comes back', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  expectProblem(/ERR_INTERNET_DISCONNECTED/, [1, 20]);
  expectProblem(/console: /, [0, 20]);
  const creation = await createWhile({ metadata_delay_ms: 1_500 }, page, clerk);
  await waiting(page, creation.traffic);
  await context.setOffline(true);
  await expect(page.locator('.progress-note')).toHaveText('You’re offline. Nothing is lost: we continue when your connection is back.');
  await expect.poll(() => statusCalls(creation.traffic), { timeout: 10_000 }).toBeGreaterThan(1);
  await context.setOffline(false);
  await expect(page.locator('.progress-note')).toHaveText(/^Step 3 of 4/);
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard']);
});

test('the page reports a connection that stays lost, and opens the dashboard when it is back', async ({ page, context, clerk, expectProblem }) => {
  test.setTimeout(60_000);
  await clerk.signedIn(context);
  expectProblem(/ERR_INTERNET_DISCONNECTED/, [1, 30]);
  expectProblem(/console: /, [0, 30]);
  const creation = await createWhile({ metadata_delay_ms: null }, page, clerk);
  await waiting(page, creation.traffic);
  await context.setOffline(true);
  await expect(page.getByRole('alert')).toContainText('Your browser can’t reach this site. Nothing is lost.', WAIT_LIMIT);
  await expect(page.getByText(`${creation.organization.name} is saved.`)).toBeVisible();
  await expect(page.getByText('Setting up your workspace')).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Try again' })).toHaveAttribute('href', '/dashboard');
  expectBounded(creation.traffic, []);

  await clerk.resetFaults();
  await context.setOffline(false);
  await expectInside(page, creation);
  expectBounded(creation.traffic, ['GET /dashboard', 'GET /token-pending', 'GET /dashboard']);
});

test('the token-pending screen also reports a lost connection', async ({ page, context, clerk, expectProblem }) => {
  const signedIn = await clerk.inside(context);
  const { id: activeOrgId } = signedIn.organization;
  await clerk.forgetOrganization(signedIn);
  await signedIn.renew();
  expectProblem(/ERR_INTERNET_DISCONNECTED/, [1, 30]);
  expectProblem(/console: /, [0, 30]);
  await page.route('**/__clerk/**', async (route) => {
    await context.setOffline(true);
    await route.abort('internetdisconnected');
  });
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  await expect(page.getByRole('alert')).toContainText('Your browser can’t reach this site.');
  expect(traffic.documents()).toEqual(['GET /dashboard', 'GET /token-pending']);
  await page.unroute('**/__clerk/**');
  await clerk.changeMetadata(signedIn.userId, { activeOrgId });
  await context.setOffline(false);
  await expectInside(page, signedIn);
});

async function expectSignedOut(page: Page) {
  // Far less than the 10 s that the wait may take.
  await expect(page).toHaveURL(/\/sign-in\?next=%2Fdashboard&signed-out=1/, { timeout: 5_000 });
  await expect(page.getByText('You’re signed out. What you created is saved: sign in to go on.')).toBeVisible();
  await expect(page.locator('input[name=identifier]')).toBeVisible();
}

async function clerkIsReady(page: Page) {
  await page.waitForFunction(() => (window as unknown as { Clerk?: { loaded: boolean } }).Clerk?.loaded);
}
