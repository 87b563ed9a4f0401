// Where a person wanted to go survives the doors on the way, unless it is another site.
import { signInHere } from './support/people';
import { expect, test } from './support/test';
import { Traffic } from './support/traffic';

/** Each of these would lead to another site if a browser were given it. */
const hostile = ['//evil.example', '/\\evil.example', '/%5Cevil.example', '/%09/evil.example', 'https://evil.example/', '%2F%2Fevil.example'];

test('a signed-out person ends on the very page they asked for', async ({ page, visitor, clerk }) => {
  const { person, organization } = await clerk.inside((await visitor()).context());

  await page.goto('/dashboard?x=1');
  await expect(page).toHaveURL('/sign-in?next=/dashboard%3Fx%3D1');
  await signInHere(page, person);

  await expect(page).toHaveURL('/dashboard?x=1');
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
});

test('the way to the other form and back keeps the target', async ({ page }) => {
  await page.goto('/sign-in?next=/dashboard%3Fx%3D1');
  await page.getByRole('link', { name: 'Sign up' }).click();
  await expect(page.locator('input[name=emailAddress]')).toBeVisible();
  expect(new URL(page.url()).searchParams.get('next')).toBe('/dashboard?x=1');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await expect(page.locator('input[name=identifier]')).toBeVisible();
  expect(new URL(page.url()).searchParams.get('next')).toBe('/dashboard?x=1');
});

for (const target of hostile.slice(0, 2)) {
  test(`signing in with next=${target} ends on the dashboard`, async ({ page, visitor, clerk }) => {
    const { person, organization } = await clerk.inside((await visitor()).context());

    await page.goto(`/sign-in?next=${target}`);
    await signInHere(page, person);

    await expect(page).toHaveURL('/dashboard');
    await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  });
}

test('a signed-in person with a hostile next= lands on the dashboard', async ({ context, clerk }) => {
  await clerk.inside(context);
  for (const door of ['/sign-in', '/sign-up', '/onboarding', '/token-pending']) {
    for (const target of hostile) {
      const answer = await context.request.get(`${door}?next=${target}`, { maxRedirects: 0 });
      expect([answer.status(), answer.headers().location], `${door}?next=${target}`).toEqual([303, '/dashboard']);
    }
  }
});

test('a person without an organization is led to onboarding from every door, and nowhere else', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  for (const door of ['/dashboard?x=1', '/sign-in', '/sign-up', '/token-pending']) {
    const traffic = new Traffic(page);
    await page.goto(door);
    await expect(page).toHaveURL('/onboarding');
    expect(traffic.documents()).toEqual([`GET ${new URL(door, page.url()).pathname}`, 'GET /onboarding']);
  }
});

test('nobody is asked in: every gated page leads a stranger to sign in', async ({ page }) => {
  for (const door of ['/dashboard', '/onboarding', '/token-pending']) {
    await page.goto(door);
    await expect(page).toHaveURL(/\/sign-in\?next=/);
  }
});
