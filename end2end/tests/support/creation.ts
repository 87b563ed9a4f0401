// Creates an organization through the form while the Clerk emulator has fault settings, and counts the browser's
// requests from the click on.
import type { Page } from '@playwright/test';
import type { Clerk, FaultSettings } from './clerk';
import { newOrganization } from './users';
import { expect } from './test';
import { Traffic } from './traffic';

/** The wait may take 10 s, and the next page must load too. */
export const WAIT_LIMIT = { timeout: 15_000 };
/** The outbox's call that notifies Clerk. */
export const NOTIFYING = { method: 'PATCH', path_starts_with: '/v1/users/', path_ends_with: '/metadata' };
/** The two calls that get the browser a newer token. */
export const RELOAD = { method: 'GET', path_starts_with: '/v1/client/sessions/' };
export const TOKENS = { method: 'POST', path_starts_with: '/v1/client/sessions/', path_ends_with: '/tokens' };

/** Upper bounds on what a wait may ask of Clerk and of our server (`model::freshness`). */
const MAX_TOKEN_CALLS = 17;
const MAX_STATUS_CALLS = 28;

export interface Creation {
  organization: { name: string; slug: string };
  /** From the click on. */
  traffic: Traffic;
}

/** Fills in the form, applies the fault settings and submits. `fromLoad`: settings that apply before the page loads. */
export async function createWhile(settings: FaultSettings, page: Page, clerk: Clerk, fromLoad?: FaultSettings): Promise<Creation> {
  if (fromLoad) await clerk.setFaults(fromLoad);
  const creation = await fillIn(page);
  await clerk.setFaults({ ...fromLoad, ...settings });
  await press(page, creation);
  return creation;
}

export async function fillIn(page: Page): Promise<Creation> {
  const organization = newOrganization();
  await page.goto('/onboarding');
  await page.getByLabel('Organization name').fill(organization.name);
  await expect(page.getByText('This address is available.')).toBeVisible();
  // Typing takes longer than loading clerk-js. Its own requests while loading are not part of the wait.
  await page.waitForFunction(() => (window as unknown as { Clerk?: { loaded: boolean } }).Clerk?.loaded);
  return { organization, traffic: new Traffic(page) };
}

export async function press(page: Page, { traffic }: Creation): Promise<void> {
  traffic.forget();
  await page.getByRole('button', { name: 'Create organization' }).click();
}

export async function expectInside(page: Page, { organization }: Pick<Creation, 'organization'>): Promise<void> {
  await expect(page).toHaveURL('/dashboard', WAIT_LIMIT);
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
}

/** How often the browser asked Clerk for a token. */
export function tokenCalls(traffic: Traffic): number {
  return traffic.paths().filter((path) => /^\/__clerk\/v1\/client\/sessions\/[^/]+(\/tokens)?$/.test(path)).length;
}

/** How often it called Clerk's API at all. */
export function callsToClerk(traffic: Traffic): number {
  return traffic.paths().filter((path) => path.startsWith('/__clerk/')).length;
}

/** How often it asked our server for the session's status. */
export function statusCalls(traffic: Traffic): number {
  return traffic.paths().filter((path) => path === '/api/rpc/session_status').length;
}

/** True of every wait, however it ended: all calls are bounded, and the form never comes back. */
export function expectBounded(traffic: Traffic, documents: string[], maxTokenCalls = MAX_TOKEN_CALLS): void {
  expect(traffic.documents()).toEqual(documents);
  expect(traffic.paths()).not.toContain('/onboarding');
  expect(traffic.paths().filter((path) => path === '/api/rpc/create_organization')).toHaveLength(1);
  expect(tokenCalls(traffic)).toBeLessThanOrEqual(maxTokenCalls);
  expect(statusCalls(traffic)).toBeLessThanOrEqual(MAX_STATUS_CALLS);
}

/** The screen at the end of a wait. */
export const stillLoading = (page: Page) => page.getByRole('heading', { name: 'Session still loading' });
/** The sentence that names the cause. */
export const cause = (page: Page) => page.getByText('Cause:').locator('..');
