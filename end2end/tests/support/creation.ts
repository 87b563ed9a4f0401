// A person presses "Create organization" while Clerk behaves as a test wishes, and what the browser asks for from then on
// is counted.
import type { Page } from '@playwright/test';
import type { Clerk, FaultSettings } from './clerk';
import { newOrganization } from './people';
import { expect } from './test';
import { Traffic } from './traffic';

/** The wait may take 10 s, and the page after it must come too. */
export const WAIT_LIMIT = { timeout: 15_000 };
/** The call by which the outbox tells Clerk. */
export const TELLING = { method: 'PATCH', path_starts_with: '/v1/users/', path_ends_with: '/metadata' };
/** The two calls by which the browser gets a newer token. */
export const RELOAD = { method: 'GET', path_starts_with: '/v1/client/sessions/' };
export const TOKENS = { method: 'POST', path_starts_with: '/v1/client/sessions/', path_ends_with: '/tokens' };

/** The most the wait may ask of Clerk, and of our server (`model::freshness`). */
const MOST_QUESTIONS = 17;
const MOST_STATUS = 28;

export interface Creation {
  organization: { name: string; slug: string };
  /** From the click on. */
  traffic: Traffic;
}

/** Fills in the form, lets Clerk misbehave, and presses the button. `fromLoad`: what is so before the page is loaded. */
export async function createWhile(wishes: FaultSettings, page: Page, clerk: Clerk, fromLoad?: FaultSettings): Promise<Creation> {
  if (fromLoad) await clerk.misbehave(fromLoad);
  const creation = await fillIn(page);
  await clerk.misbehave({ ...fromLoad, ...wishes });
  await press(page, creation);
  return creation;
}

export async function fillIn(page: Page): Promise<Creation> {
  const organization = newOrganization();
  await page.goto('/onboarding');
  await page.getByLabel('Organization name').fill(organization.name);
  await expect(page.getByText('This address is available.')).toBeVisible();
  // Whoever fills in two fields finds clerk-js loaded. What it asks while it loads is not the wait's.
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
export function questions(traffic: Traffic): number {
  return traffic.paths().filter((path) => /^\/__clerk\/v1\/client\/sessions\/[^/]+(\/tokens)?$/.test(path)).length;
}

/** How often it asked anything of Clerk's API. */
export function callsToClerk(traffic: Traffic): number {
  return traffic.paths().filter((path) => path.startsWith('/__clerk/')).length;
}

/** How often it asked our server how that sees the session. */
export function statusQuestions(traffic: Traffic): number {
  return traffic.paths().filter((path) => path === '/api/rpc/session_status').length;
}

/** What holds for every wait, however it ended: everything is bounded, and the form never comes back. */
export function expectBounded(traffic: Traffic, documents: string[], mostQuestions = MOST_QUESTIONS): void {
  expect(traffic.documents()).toEqual(documents);
  expect(traffic.paths()).not.toContain('/onboarding');
  expect(traffic.paths().filter((path) => path === '/api/rpc/create_organization')).toHaveLength(1);
  expect(questions(traffic)).toBeLessThanOrEqual(mostQuestions);
  expect(statusQuestions(traffic)).toBeLessThanOrEqual(MOST_STATUS);
}

/** The screen at the end of a wait. */
export const stillLoading = (page: Page) => page.getByRole('heading', { name: 'Session still loading' });
/** The whole sentence on it. */
export const cause = (page: Page) => page.getByText('Cause:').locator('..');
