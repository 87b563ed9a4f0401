// What each page loads: no code where none is needed, Clerk's interface only where it is shown, and nothing from other
// origins.
import type { Page } from '@playwright/test';
import { newOrganization, newUser, openAccountMenu, signUp } from './support/users';
import { expect, test } from './support/test';
import { Traffic, isClerk, isClerkJs, isClerkUi, isCode } from './support/traffic';

/** Returns once the island's WASM has run and no request is pending. */
async function settled(page: Page) {
  await page.waitForLoadState('networkidle');
}

test('the landing and not-found pages load no code and nothing from Clerk, signed in or not', async ({ page, context, clerk, expectProblem }) => {
  const traffic = new Traffic(page);
  expectProblem(/no-such-page answered 404/, 2);
  for (const signedIn of [false, true]) {
    if (signedIn) await clerk.signedIn(context);
    for (const path of ['/', '/no-such-page']) {
      await page.goto(path);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      expect(await page.locator('script, link[rel=modulepreload], link[as=script]').count()).toBe(0);
    }
  }
  await settled(page);
  expect(traffic.documents()).toHaveLength(4);
  expect(traffic.paths().filter((path) => isCode(path) || isClerk(path))).toEqual([]);
});

test('sign-in and sign-up load all of Clerk at once, and no WebAssembly', async ({ page }) => {
  for (const [path, form] of [['/sign-in', 'identifier'], ['/sign-up', 'emailAddress']]) {
    const traffic = new Traffic(page);
    await page.goto(path);
    await expect(page.locator(`input[name=${form}]`)).toBeVisible();
    expect(traffic.paths().filter(isClerkJs)).toHaveLength(1);
    expect(traffic.paths().filter(isClerkUi)).not.toEqual([]);
    expect(traffic.paths().filter((path) => path.startsWith('/pkg/') && isCode(path))).toEqual([]);
  }
});

test('onboarding loads clerk-js without its interface', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const traffic = new Traffic(page);
  const started = page.waitForResponse(/\/__clerk\/v1\/client\?/);
  await page.goto('/onboarding');
  await started;
  await settled(page);
  expect(traffic.paths().filter(isClerkJs)).toHaveLength(1);
  expect(traffic.paths().filter(isClerkUi)).toEqual([]);
});

test('the dashboard loads no code and nothing from Clerk until the account menu opens, which then shows the profile', async ({ page, context, clerk }) => {
  const { user } = await clerk.inside(context);
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  await settled(page);
  // No WebAssembly, no external script, and nothing from Clerk.
  expect(traffic.paths().filter((path) => isCode(path) || isClerk(path))).toEqual([]);

  await openAccountMenu(page);
  await expect.poll(() => traffic.paths().filter(isClerkUi), { message: 'requests for the interface' }).not.toEqual([]);
  expect(traffic.paths().filter(isClerkJs)).toHaveLength(1);

  await page.getByRole('button', { name: 'Manage account' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('Profile details');
  await expect(dialog).toContainText(user.email);
});

// Every test checks this (support/problems.ts). This one states it for the whole way.
test('from the landing page to the dashboard, a browser calls only the app', async ({ page, inbox }) => {
  const traffic = new Traffic(page.context());
  await page.goto('/');
  await signUp(page, inbox, newUser());
  const organization = newOrganization();
  await page.getByLabel('Organization name').fill(organization.name);
  await page.getByRole('button', { name: 'Create organization' }).click();
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  await openAccountMenu(page);
  await page.getByRole('button', { name: 'Manage account' }).click();
  await expect(page.getByRole('dialog')).toContainText('Profile details');
  await settled(page);

  const { origin } = new URL(page.url());
  const addresses = traffic.requests.map((request) => request.url()).filter((url) => !/^(data|blob):/.test(url));
  expect(addresses.length).toBeGreaterThan(20);
  expect([...new Set(addresses.map((url) => new URL(url).origin))]).toEqual([origin]);
});
