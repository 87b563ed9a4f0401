// Clerk slow, stale and broken: the emulator misbehaves for real, and the person arrives, or reads why not. In no case
// does the form come back.
import type { Page } from '@playwright/test';
import type { Wishes } from './support/clerk';
import { newOrganization } from './support/people';
import { expect, test } from './support/test';
import { Traffic } from './support/traffic';

/** The wait may take 10 s, and the page after it must come too. */
const WAIT_LIMIT = { timeout: 15_000 };
/** The call by which the outbox tells Clerk. */
const TELLING = { method: 'PATCH', path_starts_with: '/v1/users/', path_ends_with: '/metadata' };

test.afterEach(async ({ clerk }) => clerk.misbehave());

/** Fills in the form, lets Clerk misbehave, and presses the button. */
async function createWhile(wishes: Wishes, page: Page, clerk: { misbehave: (wishes: Wishes) => Promise<void> }) {
  const organization = newOrganization();
  await page.goto('/onboarding');
  await page.getByLabel('Organization name').fill(organization.name);
  await expect(page.getByText('This address is free.')).toBeVisible();
  await clerk.misbehave(wishes);
  const traffic = new Traffic(page);
  await page.getByRole('button', { name: 'Create organization' }).click();
  return { organization, traffic };
}

async function expectInside(page: Page, name: string) {
  await expect(page).toHaveURL('/dashboard', WAIT_LIMIT);
  await expect(page.getByRole('heading', { name })).toBeVisible();
}

/** How often the browser asked Clerk for a token. */
function questions(traffic: Traffic) {
  return traffic.paths().filter((path) => /\/__clerk\/v1\/client\/sessions\/[^/]+(\/tokens)?$/.test(path)).length;
}

test('metadata that tokens see 1.2 s late is waited for', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const { organization, traffic } = await createWhile({ metadata_delay_ms: 1_200 }, page, clerk);
  await expectInside(page, organization.name);
  expect(traffic.documents()).toEqual(['GET /dashboard']);
  expect(questions(traffic)).toBeGreaterThan(2);
  expect(questions(traffic)).toBeLessThanOrEqual(10);
});

test('metadata that no token ever sees ends at a screen that says so and lets the member in', async ({ page, context, clerk }) => {
  test.setTimeout(60_000);
  await clerk.signedIn(context);
  const { organization, traffic } = await createWhile({ metadata_delay_ms: null }, page, clerk);
  await expect(page.getByRole('heading', { name: 'Session still loading' })).toBeVisible(WAIT_LIMIT);
  expect(questions(traffic)).toBe(10);
  await expect(page.getByText('still issues sessions without it')).toBeVisible();
  await page.getByRole('button', { name: 'Open the dashboard anyway' }).click();
  await expectInside(page, organization.name);
  await expect(page.getByText('Your session is still catching up.')).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /token-pending', 'POST /dashboard', 'GET /dashboard']);
});

for (const [what, fault] of [
  ['answers 500 twice', { status: 500, count: 2 }],
  ['asks to come back in a second', { status: 429, retry_after_s: 1, count: 1 }],
  ['cuts the connection', { cut: true, count: 1 }],
  ['answers after 3 s', { delay_ms: 3_000, count: 1 }],
] as const) {
  test(`when Clerk ${what}, the organization is stored and the person arrives`, async ({ page, context, clerk }) => {
    await clerk.signedIn(context);
    const { organization, traffic } = await createWhile({ faults: [{ ...TELLING, ...fault }] }, page, clerk);
    await expectInside(page, organization.name);
    expect(traffic.documents()).toEqual(['GET /dashboard']);
    expect(await clerk.faultsLeft(), 'the fault did not happen').toEqual([0]);
  });
}

test('when Clerk stays down, the screen names the cause, and Refresh leads inside once it is back', async ({ page, context, clerk }) => {
  test.setTimeout(60_000);
  await clerk.signedIn(context);
  const { organization, traffic } = await createWhile({ faults: [{ ...TELLING, status: 503, count: 1_000 }] }, page, clerk);
  await expect(page.getByRole('heading', { name: 'Session still loading' })).toBeVisible(WAIT_LIMIT);
  await expect(page.getByText('has not reached the sign-in service yet')).toBeVisible();
  expect(questions(traffic)).toBe(0);

  await clerk.misbehave();
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh' }).click();
    await expectInside(page, organization.name);
  }).toPass({ timeout: 40_000 });
  expect(traffic.documents()).not.toContain('GET /onboarding');
});

test('people who are told to Clerk only after a restart of the app arrive', async ({ page, context, clerk, app }) => {
  test.setTimeout(90_000);
  await clerk.signedIn(context);
  const { organization, traffic } = await createWhile({ faults: [{ ...TELLING, delay_ms: 60_000, count: 1 }] }, page, clerk);
  await expect(page.getByRole('heading', { name: 'Organization created' })).toBeVisible();
  expect(await clerk.faultsLeft(), 'Clerk was not being told when the app was killed').toEqual([0]);
  await page.goto('about:blank');
  // The process ends between the commit and Clerk's answer.
  await app.restart('SIGKILL');
  await expect(async () => {
    await page.goto('/dashboard');
    await expectInside(page, organization.name);
  }).toPass({ timeout: 60_000 });
  expect(traffic.documents()).not.toContain('GET /onboarding');
});
