// Coming back later: the browser's token is old, and Clerk's handshake renews it before anybody sees anything.
import { expect, test } from './support/test';
import { Traffic } from './support/traffic';

const HANDSHAKE = 'GET /__clerk/v1/client/handshake';

test.afterEach(async ({ clerk }) => clerk.misbehave());

test('a browser without its token gets a new one on the way, and nothing is seen in between', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await signedIn.loseToken();
  const traffic = new Traffic(page);

  await page.goto('/dashboard?x=1');

  await expect(page).toHaveURL('/dashboard?x=1');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard']);
  // What the handshake brought is in the browser's cookies: nothing has to be renewed again.
  traffic.forget();
  await page.reload();
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard']);
  const names = (await context.cookies()).map((cookie) => cookie.name);
  expect(names).not.toContain('__clerk_handshake_nonce');
});

test('a session that Clerk has ended leads to sign-in, and back', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await signedIn.loseToken();
  await clerk.endSession(signedIn);
  const traffic = new Traffic(page);

  await page.goto('/dashboard?x=1');

  await expect(page).toHaveURL('/sign-in?next=/dashboard%3Fx%3D1');
  await expect(page.locator('input[name=identifier]')).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard', 'GET /sign-in']);
});

test('without JavaScript an old session is renewed all the same', async ({ visitor, clerk, expectProblem }) => {
  const page = await visitor({ javaScriptEnabled: false });
  expectProblem(/\/pkg\/.*\.js failed: csp/, [0, 20]);
  const signedIn = await clerk.inside(page.context());
  await signedIn.loseToken();
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard']);
});

test('without JavaScript a claim that never comes ends, by itself and after three tries, at its cause', async ({ visitor, clerk, expectProblem }) => {
  const page = await visitor({ javaScriptEnabled: false });
  expectProblem(/\/pkg\/.*\.js failed: csp/, [0, 20]);
  const signedIn = await clerk.inside(page.context());
  await clerk.changeMetadata(signedIn.userId, { activeOrgId: null });
  await signedIn.renew();
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: 'Session still loading' })).toBeVisible();
  const tries = traffic.documents();
  expect(tries).toEqual([
    'GET /dashboard', 'GET /token-pending', HANDSHAKE, 'GET /token-pending', HANDSHAKE, 'GET /token-pending', HANDSHAKE, 'GET /token-pending',
  ]);
  await page.getByRole('button', { name: 'Open the dashboard anyway' }).click();
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
});
