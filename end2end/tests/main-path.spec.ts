// The main path: sign up, create an organization, reach the dashboard.
import type { Page } from '@playwright/test';
import { accessibilityProblems } from './support/accessibility';
import { newOrganization, newUser, signInByCode, signInByPassword, signOut, signUp, unique } from './support/users';
import { expect, test } from './support/test';

const field = {
  name: (page: Page) => page.getByLabel('Organization name'),
  slug: (page: Page) => page.getByLabel('Web address'),
  create: (page: Page) => page.getByRole('button', { name: 'Create organization' }),
};

async function fillIn(page: Page, organization: { name: string; slug: string }) {
  await page.goto('/onboarding');
  await field.name(page).fill(organization.name);
  await expect(field.slug(page)).toHaveValue(organization.slug);
}

async function expectInside(page: Page, organization: { name: string }) {
  await page.waitForURL(/\/dashboard\b/);
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
}

async function create(page: Page, organization: { name: string; slug: string }) {
  await fillIn(page, organization);
  await field.create(page).click();
  await expectInside(page, organization);
}

test('a new user signs up, creates an organization and reaches the dashboard', async ({ page, inbox }) => {
  const organization = newOrganization();

  await signUp(page, inbox, newUser());
  await expect(page).toHaveURL(/\/onboarding\b/);
  expect(await accessibilityProblems(page)).toEqual([]);

  await field.name(page).fill(organization.name);
  await expect(field.slug(page)).toHaveValue(organization.slug);
  await field.create(page).click();

  await expectInside(page, organization);
  expect(await accessibilityProblems(page)).toEqual([]);
});

test('a user with an organization signs in by e-mail code and by password, and reaches the dashboard', async ({ page, inbox }) => {
  const user = newUser();
  const organization = newOrganization();
  await signUp(page, inbox, user);
  await create(page, organization);

  await signOut(page);
  await page.goto('/dashboard');
  await expect(page).toHaveURL(/\/sign-in\b/);
  await signInByCode(page, inbox, user);
  await expectInside(page, organization);

  await signOut(page);
  await signInByPassword(page, user);
  await expectInside(page, organization);
});

test('a double click in one tab and a click in another create one organization', async ({ page, context, inbox, visitor }) => {
  const first = newOrganization();
  const second = newOrganization();
  await signUp(page, inbox, newUser());
  const otherTab = await context.newPage();
  await fillIn(page, first);
  await fillIn(otherTab, second);

  await Promise.all([field.create(page).dblclick(), field.create(otherTab).click()]);

  await page.waitForURL(/\/dashboard\b/);
  await otherTab.waitForURL(/\/dashboard\b/);
  const heading = page.getByRole('heading', { name: /Blue Harbor/ });
  const [created, notCreated] = (await heading.innerText()).includes(first.name) ? [first, second] : [second, first];
  await expectInside(page, created);
  await expectInside(otherTab, created);

  // The other one was not created: its address is still available.
  const otherUser = await visitor();
  await signUp(otherUser, inbox, newUser());
  await create(otherUser, notCreated);
});

test('a taken web address is reported at its field, and no input is lost', async ({ page, inbox, expectProblem, visitor }) => {
  const taken = newOrganization();
  const owner = await visitor();
  await signUp(owner, inbox, newUser());
  await create(owner, taken);

  const name = `Late ${unique()}`;
  await signUp(page, inbox, newUser());
  await page.goto('/onboarding');
  await field.name(page).fill(name);
  await field.slug(page).fill(taken.slug);
  // Reported in response to the form, if not already while typing.
  expectProblem(/answered 409/, [0, 2]);
  await field.create(page).click();

  await expect(field.slug(page)).toHaveAccessibleDescription(/taken/i);
  await expect(field.name(page)).toHaveValue(name);
  await expect(field.slug(page)).toHaveValue(taken.slug);

  await field.slug(page).fill(`late-${unique()}`);
  await field.create(page).click();
  await expectInside(page, { name });
});

test('a user sees nothing of an organization they do not belong to', async ({ page, inbox, visitor }) => {
  const theirs = newOrganization();
  const stranger = await visitor();
  await signUp(stranger, inbox, newUser());
  await create(stranger, theirs);

  await signUp(page, inbox, newUser());
  await page.goto('/dashboard');
  await expect(page).toHaveURL(/\/onboarding\b/);
  expect(await page.content()).not.toContain(theirs.slug);

  const ours = newOrganization();
  await create(page, ours);
  const html = await page.content();
  expect(html).not.toContain(theirs.name);
  expect(html).not.toContain(theirs.slug);

  const session = (await page.context().cookies()).find((cookie) => cookie.name === '__session');
  const me = await page.request.get('/api/me', { headers: { authorization: `Bearer ${session?.value}` } });
  expect(me.status()).toBe(200);
  expect(await me.text()).not.toContain(theirs.slug);
});

test('users, organizations and sessions survive a crash of the app', async ({ page, app, inbox }) => {
  // A second start of app and database within one test.
  test.setTimeout(60_000);
  const user = newUser();
  const organization = newOrganization();
  await signUp(page, inbox, user);
  await create(page, organization);

  // An open page would send requests while the app is down.
  await page.goto('about:blank');
  await app.restart('SIGKILL');

  await page.goto('/dashboard');
  await expectInside(page, organization);
  await signOut(page);
  await signInByCode(page, inbox, user);
  await expectInside(page, organization);
});
