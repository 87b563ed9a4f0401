// Every screen on the smallest phones, and for people who do not see it.
import type { Page } from '@playwright/test';
import { accessibilityProblems } from './support/accessibility';
import { openAccountMenu, unique } from './support/people';
import { expect, test } from './support/test';

/** Clerk's own nodes: its form, and what it puts at the end of the page. */
const CLERKS = ['#clerk-form', '#clerk-components'];

async function expectAccessible(page: Page, except: string[] = []) {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await accessibilityProblems(page, except), colorScheme).toEqual([]);
  }
}

/** Nothing is wider than the screen, so nothing has to be pushed sideways to be read. */
async function expectFits(page: Page) {
  const sideways = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.body.querySelectorAll('*')].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 0 && box.height > 0 && (box.right > width + 1 || box.left < -1) && getComputedStyle(element).position !== 'fixed';
    });
    const names = wide.map((element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''}`);
    return { scrollable: document.documentElement.scrollWidth > width || document.body.scrollWidth > width, names };
  });
  expect(sideways.scrollable, `wider than the screen: ${sideways.names.join(', ')}`).toBe(false);
}

for (const width of [360, 320]) {
  test(`at a width of ${width} nothing goes beyond the screen`, async ({ page, context, clerk }) => {
    await page.setViewportSize({ width, height: 640 });
    await page.goto('/');
    await expectFits(page);
    await page.goto('/sign-in');
    await expect(page.locator('input[name=identifier]')).toBeVisible();
    await expectFits(page);

    const signedIn = await clerk.signedIn(context);
    await page.goto('/onboarding');
    await page.getByLabel('Organization name').fill('W'.repeat(80));
    await expect(page.getByLabel('Web address')).toHaveValue(/^w+$/);
    await expectFits(page);
    await page.getByLabel('Web address').fill(`${'w'.repeat(38)}-W`);
    await expect(page.getByLabel('Web address')).toHaveAttribute('aria-invalid', 'true');
    await expectFits(page);

    // The longest name and address there can be, in one word each.
    const organization = { name: 'W'.repeat(80), slug: `${'w'.repeat(39)}-${unique()}` };
    await clerk.createOrganization(signedIn, organization);
    await page.goto('/dashboard');
    await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
    await expectFits(page);
    await openAccountMenu(page);
    await expect(page.getByRole('button', { name: 'Manage account' })).toBeInViewport({ ratio: 1 });
    await expectFits(page);

    await clerk.forgetOrganization(signedIn);
    await signedIn.renew();
    await page.goto('/dashboard');
    await expect(page.getByRole('heading', { name: 'Session still loading' })).toBeVisible();
    await expect(page.getByText(organization.name)).toBeVisible();
    await expectFits(page);
  });
}

test.afterEach(async ({ clerk }) => clerk.misbehave());

test('axe finds nothing on the pages of the entrance', async ({ page, context, clerk, expectProblem }) => {
  expectProblem(/no-such-page answered 404/);
  for (const path of ['/', '/no-such-page']) {
    await page.goto(path);
    await expectAccessible(page);
  }
  await page.goto('/sign-in');
  await expect(page.locator('input[name=identifier]')).toBeVisible();
  await expectAccessible(page, CLERKS);

  await clerk.signedIn(context);
  await page.goto('/onboarding');
  await page.getByLabel('Organization name').fill('Blue Harbor');
  await expect(page.getByLabel('Web address')).toHaveValue('blue-harbor');
  await page.getByLabel('Organization name').fill(' ');
  await page.getByLabel('Web address').fill('No Good');
  await page.getByLabel('Web address').press('Enter');
  await expect(page.getByLabel('Organization name')).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByLabel('Web address')).toHaveAttribute('aria-invalid', 'true');
  await expectAccessible(page);
});

test('axe finds nothing on the dashboard with its account menu open', async ({ page, context, clerk }) => {
  await clerk.inside(context);
  await page.goto('/dashboard');
  await expectAccessible(page);
  await openAccountMenu(page);
  await expect(page.getByRole('button', { name: 'Manage account' })).toBeVisible();
  await page.waitForLoadState('networkidle');
  await expectAccessible(page, CLERKS);
});
