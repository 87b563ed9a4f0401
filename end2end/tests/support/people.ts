// People, and what they do in Clerk's own forms.
import { randomBytes } from 'node:crypto';
import { expect, type Locator, type Page } from '@playwright/test';
import type { Inbox } from './inbox';

export interface Person {
  email: string;
  password: string;
  name: string;
}

/** Someone nobody has met. The names never repeat, so tests can share one database. */
export function newPerson(): Person {
  const id = unique();
  return { email: `ada-${id}@example.com`, password: `correct horse ${id}`, name: `Ada ${id}` };
}

/** Eight characters that are fit for names, addresses and slugs. */
export function unique(): string {
  return randomBytes(4).toString('hex');
}

/** An organization that no other test has, with the slug that its name suggests. */
export function newOrganization(): { name: string; slug: string } {
  const id = unique();
  return { name: `Blue Harbor ${id}`, slug: `blue-harbor-${id}` };
}

/** From the sign-up page to wherever the app leads a new person. */
export async function signUp(page: Page, inbox: Inbox, person: Person): Promise<void> {
  await page.goto('/sign-up');
  await page.locator('input[name=emailAddress]').fill(person.email);
  await fillAndSend(page.locator('input[name=password]'), person.password);
  await enterCode(page, inbox, person);
  await leaveForms(page);
}

export async function signInByCode(page: Page, inbox: Inbox, person: Person): Promise<void> {
  await page.goto('/sign-in');
  await identify(page, person);
  // Which of the two cards comes first is a setting of the instance.
  const code = codeField(page);
  const otherMethod = page.getByText('Use another method');
  await expect(code.or(otherMethod).first()).toBeVisible();
  if (!(await code.isVisible())) {
    await otherMethod.click();
    await page.getByRole('button', { name: /^Email code to/ }).click();
  }
  await enterCode(page, inbox, person);
  await leaveForms(page);
}

export async function signInByPassword(page: Page, person: Person): Promise<void> {
  await page.goto('/sign-in');
  await signInHere(page, person);
}

/** By password, in the form that the page shows. */
export async function signInHere(page: Page, person: Person): Promise<void> {
  await identify(page, person);
  await fillAndSend(page.locator('input[name=password]'), person.password);
  await leaveForms(page);
}

export async function openAccountMenu(page: Page): Promise<void> {
  await page.locator('summary', { hasText: 'account menu' }).click();
}

/** By the app's own account menu. Ends on the page that follows, without a session in the browser. */
export async function signOut(page: Page): Promise<void> {
  // Clerk removes the cookies first and leaves the page later: a mark shows when the page is another.
  await page.evaluate(() => document.documentElement.setAttribute('data-before-sign-out', ''));
  await openAccountMenu(page);
  await page.getByRole('button', { name: 'Sign out' }).click();

  const sessions = async () => (await page.context().cookies()).filter((cookie) => cookie.name.startsWith('__session'));
  await expect.poll(sessions, { message: 'session cookies after signing out' }).toEqual([]);
  await page.waitForFunction(() => !document.documentElement.hasAttribute('data-before-sign-out'));
  await page.waitForLoadState();
}

async function identify(page: Page, person: Person): Promise<void> {
  await fillAndSend(page.locator('input[name=identifier]'), person.email);
  // The first card has a hidden password field of its own: go on when the next one is there.
  await page.waitForURL(/\/factor-one/);
}

async function enterCode(page: Page, inbox: Inbox, person: Person): Promise<void> {
  const field = codeField(page);
  await expect(field).toBeVisible();
  const code = await inbox.codeFor(person.email);
  // The card takes the focus when it is ready, and sends the code after its sixth digit.
  await expect(field).toBeFocused();
  await field.pressSequentially(code);
}

function codeField(page: Page) {
  return page.locator('input[autocomplete=one-time-code]');
}

/**
 * By the Enter key. A click on the button can miss: it takes the focus from the field, Clerk then
 * shows a hint below the field, and the button moves away between press and release.
 */
async function fillAndSend(field: Locator, text: string): Promise<void> {
  await field.fill(text);
  await field.press('Enter');
}

/** Clerk leaves its forms by a full navigation, with the new session in the cookies. */
async function leaveForms(page: Page): Promise<void> {
  await page.waitForURL((url) => !/^\/sign-(in|up)\b/.test(url.pathname));
}
