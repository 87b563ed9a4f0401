// Users, and what they do in Clerk's forms.
import { randomBytes } from 'node:crypto';
import { expect, type Locator, type Page } from '@playwright/test';
import type { Inbox } from './inbox';

export interface User {
  email: string;
  password: string;
  name: string;
}

/** A user with unique data, so that tests can share one database. */
export function newUser(): User {
  const id = unique();
  return { email: `ada-${id}@example.com`, password: `correct horse ${id}`, name: `Ada ${id}` };
}

/** Eight random characters, valid in names, addresses and slugs. */
export function unique(): string {
  return randomBytes(4).toString('hex');
}

/** An organization with a unique name, and the slug its name suggests. */
export function newOrganization(): { name: string; slug: string } {
  const id = unique();
  return { name: `Blue Harbor ${id}`, slug: `blue-harbor-${id}` };
}

/** From the sign-up page to the page that the app shows a new user. */
export async function signUp(page: Page, inbox: Inbox, user: User): Promise<void> {
  await page.goto('/sign-up');
  await page.locator('input[name=emailAddress]').fill(user.email);
  await fillAndSend(page.locator('input[name=password]'), user.password);
  await enterCode(page, inbox, user);
  await leaveForms(page);
}

export async function signInByCode(page: Page, inbox: Inbox, user: User): Promise<void> {
  await page.goto('/sign-in');
  await identify(page, user);
  // Which of the two cards comes first depends on the instance's settings.
  const code = codeField(page);
  const otherMethod = page.getByText('Use another method');
  await expect(code.or(otherMethod).first()).toBeVisible();
  if (!(await code.isVisible())) {
    await otherMethod.click();
    await page.getByRole('button', { name: /^Email code to/ }).click();
  }
  await enterCode(page, inbox, user);
  await leaveForms(page);
}

export async function signInByPassword(page: Page, user: User): Promise<void> {
  await page.goto('/sign-in');
  await signInHere(page, user);
}

/** By password, in the form on the current page. */
export async function signInHere(page: Page, user: User): Promise<void> {
  await identify(page, user);
  await fillAndSend(page.locator('input[name=password]'), user.password);
  await leaveForms(page);
}

export async function openAccountMenu(page: Page): Promise<void> {
  await page.locator('summary', { hasText: 'account menu' }).click();
}

/** Signs out by the account menu, and waits until the next page has loaded and the session cookies are gone. */
export async function signOut(page: Page): Promise<void> {
  // Clerk removes the cookies before it leaves the page: an attribute shows when the document has changed.
  await page.evaluate(() => document.documentElement.setAttribute('data-before-sign-out', ''));
  await openAccountMenu(page);
  await page.getByRole('button', { name: 'Sign out' }).click();

  const sessions = async () => (await page.context().cookies()).filter((cookie) => cookie.name.startsWith('__session'));
  await expect.poll(sessions, { message: 'session cookies after signing out' }).toEqual([]);
  await page.waitForFunction(() => !document.documentElement.hasAttribute('data-before-sign-out'));
  await page.waitForLoadState();
}

async function identify(page: Page, user: User): Promise<void> {
  await fillAndSend(page.locator('input[name=identifier]'), user.email);
  // The first card has a hidden password field of its own, so wait for the next card.
  await page.waitForURL(/\/factor-one/);
}

async function enterCode(page: Page, inbox: Inbox, user: User): Promise<void> {
  const field = codeField(page);
  await expect(field).toBeVisible();
  const code = await inbox.codeFor(user.email);
  // The card takes the focus when it is ready, and submits after the sixth digit.
  await expect(field).toBeFocused();
  await field.pressSequentially(code);
}

function codeField(page: Page) {
  return page.locator('input[autocomplete=one-time-code]');
}

/**
 * Submits with the Enter key. A click can miss: it blurs the field, Clerk then shows a hint below the field, and the
 * button moves away between press and release.
 */
async function fillAndSend(field: Locator, text: string): Promise<void> {
  await field.fill(text);
  await field.press('Enter');
}

/** Clerk leaves its forms by a full navigation, with the new session in the cookies. */
async function leaveForms(page: Page): Promise<void> {
  await page.waitForURL((url) => !/^\/sign-(in|up)\b/.test(url.pathname));
}
