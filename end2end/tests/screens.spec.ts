// Every screen on the smallest phones, and its accessibility.
import { fillIn, press } from './support/creation';
import { expectAccessible, expectFits } from './support/screens';
import { openAccountMenu, unique } from './support/users';
import { expect, test } from './support/test';

/** Clerk's own nodes: its form, and what it appends to the page. */
const CLERKS = ['#clerk-form', '#clerk-components'];

for (const width of [360, 320]) {
  test(`nothing overflows the screen at a width of ${width}`, async ({ page, context, clerk }) => {
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

    // The longest possible name and address, one word each.
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

test.afterEach(async ({ clerk }) => clerk.resetFaults());

test('axe finds nothing on the pages before the dashboard', async ({ page, context, clerk, expectProblem }) => {
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

test('axe finds nothing during the wait, on the screen that refreshes, and where a part is missing', async ({ page, context, clerk, visitor, expectProblem }) => {
  test.setTimeout(90_000);
  // The wait, held where it polls our server.
  await clerk.signedIn(context);
  const creation = await fillIn(page);
  await clerk.setFaults({ metadata_delay_ms: null });
  await press(page, creation);
  await expect(page.getByRole('heading', { name: 'Organization created' })).toBeVisible();
  await expectAccessible(page);
  // The screen that refreshes, held where it calls Clerk.
  const other = await context.newPage();
  await other.route(/\/__clerk\//, () => {});
  await other.goto('/dashboard');
  await expect(other.getByRole('heading', { name: 'Refreshing your session' })).toBeVisible();
  await expectAccessible(other);
  await other.close();
  await page.goto('/');
  await clerk.resetFaults();

  // Without WebAssembly, and without Clerk's scripts.
  expectProblem(/\.wasm failed|clerk\.browser\.js failed|Failed to fetch|console: |uncaught/, [2, 20]);
  const without = await visitor();
  await clerk.signedIn(without.context());
  await without.route('**/*.wasm', (route) => route.abort('failed'));
  await without.goto('/onboarding');
  await expect(without.getByText('Your browser doesn’t run the interactive part of this page')).toBeVisible();
  await expectAccessible(without);
  const outside = await visitor();
  await outside.route('**/clerk.browser.js', (route) => route.abort('failed'));
  await outside.goto('/sign-in');
  await expect(outside.getByText('The sign-in form could not be loaded.')).toBeVisible();
  await expectAccessible(outside);
});
