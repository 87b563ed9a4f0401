// `next=` survives every redirect on the way in, unless it leads to another site.
import { signInHere } from './support/users';
import { expect, test } from './support/test';
import { Traffic } from './support/traffic';

/** As a redirect target, each of these would lead a browser to another site. */
const hostile = ['//evil.example', '/\\evil.example', '/%5Cevil.example', '/%09/evil.example', 'https://evil.example/', '%2F%2Fevil.example'];

test('a signed-out user ends on the page they asked for', async ({ page, visitor, clerk }) => {
  const { user, organization } = await clerk.inside((await visitor()).context());

  await page.goto('/dashboard?x=1');
  await expect(page).toHaveURL('/sign-in?next=/dashboard%3Fx%3D1');
  await signInHere(page, user);

  await expect(page).toHaveURL('/dashboard?x=1');
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
});

test('switching between the two forms keeps the target', async ({ page }) => {
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
    const { user, organization } = await clerk.inside((await visitor()).context());

    await page.goto(`/sign-in?next=${target}`);
    await signInHere(page, user);

    await expect(page).toHaveURL('/dashboard');
    await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  });
}

test('a signed-in user with a hostile next= lands on the dashboard', async ({ context, clerk }) => {
  await clerk.inside(context);
  for (const path of ['/sign-in', '/sign-up', '/onboarding', '/token-pending']) {
    for (const target of hostile) {
      const answer = await context.request.get(`${path}?next=${target}`, { maxRedirects: 0 });
      expect([answer.status(), answer.headers().location], `${path}?next=${target}`).toEqual([303, '/dashboard']);
    }
  }
});

test('every gated page leads a user without an organization to onboarding', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  for (const path of ['/dashboard?x=1', '/sign-in', '/sign-up', '/token-pending']) {
    const traffic = new Traffic(page);
    await page.goto(path);
    await expect(page).toHaveURL('/onboarding');
    expect(traffic.documents()).toEqual([`GET ${new URL(path, page.url()).pathname}`, 'GET /onboarding']);
  }
});

test('every gated page leads a signed-out visitor to sign-in', async ({ page }) => {
  for (const path of ['/dashboard', '/onboarding', '/token-pending']) {
    await page.goto(path);
    await expect(page).toHaveURL(/\/sign-in\?next=/);
  }
});
