// The token-pending screen, shown until a stale token is replaced.
import { accessibilityProblems } from './support/accessibility';
import { cause, tokenCalls, statusCalls, stillLoading } from './support/creation';
import { expect, test } from './support/test';
import { HANDSHAKE, Traffic } from './support/traffic';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

/** About 2.5 s of attempts, then the screen names the cause. The rest is for slow machines. */
const EXHAUSTED = { timeout: 5_000 };

test('when the claim never comes, the screen waits, then explains, and never shows the form', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  const { id: activeOrgId, name } = signedIn.organization;
  await clerk.forgetOrganization(signedIn);
  await signedIn.loseToken();
  const traffic = new Traffic(page);

  await page.goto('/dashboard?x=1');
  await expect(page.getByRole('heading', { name: 'Refreshing your session' })).toBeVisible();
  await expect(stillLoading(page)).toBeVisible(EXHAUSTED);
  // 2.5 s of attempts, up to three per second; the screen has just begun its own.
  expect(tokenCalls(traffic)).toBeLessThanOrEqual(9);
  expect(statusCalls(traffic)).toBeLessThanOrEqual(10);
  // At first the token was missing; Clerk issued one on the way, so the cause is another.
  await expect(cause(page)).toContainText('still issues sessions without it');
  await expect(page.getByRole('region', { name: 'What we know' })).toContainText(name);
  await expect(page.getByRole('button', { name: 'Try again' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await accessibilityProblems(page)).toEqual([]);
  }

  // The form does not come back even at its own address.
  await page.goto('/onboarding');
  await expect(page).toHaveURL('/token-pending?next=/dashboard');
  await expect(stillLoading(page)).toBeVisible(EXHAUSTED);

  await clerk.changeMetadata(signedIn.userId, { activeOrgId });
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name })).toBeVisible();
  expect(traffic.documents()).toEqual([
    'GET /dashboard', HANDSHAKE, 'GET /dashboard', 'GET /token-pending', 'GET /token-pending',
    'GET /onboarding', 'GET /token-pending', 'GET /token-pending',
    'GET /dashboard',
  ]);
});

test('a member may open the dashboard anyway and reads what is stale; a non-member may not', async ({ page, context, clerk, visitor }) => {
  const signedIn = await clerk.inside(context);
  const { id: activeOrgId, name } = signedIn.organization;
  const behind = page.getByText('Your session is still catching up.');
  await clerk.forgetOrganization(signedIn);
  await signedIn.renew();
  await page.goto('/dashboard');
  await page.getByRole('button', { name: 'Open the dashboard' }).click(EXHAUSTED);

  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name })).toBeVisible();
  await expect(behind).toBeVisible();
  expect(await accessibilityProblems(page)).toEqual([]);

  await clerk.changeMetadata(signedIn.userId, { activeOrgId });
  await signedIn.renew();
  await page.reload();
  await expect(page.getByRole('heading', { name })).toBeVisible();
  await expect(behind).toHaveCount(0);

  const stranger = await visitor();
  await clerk.signedIn(stranger.context());
  const origin = new URL(page.url()).origin;
  const answer = await stranger.context().request.post('/dashboard', { headers: { origin } });
  expect(new URL(answer.url()).pathname).toBe('/onboarding');
});

test('signing out works from the token-pending screen', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await clerk.forgetOrganization(signedIn);
  await signedIn.renew();
  await page.goto('/dashboard');
  await expect(stillLoading(page)).toBeVisible(EXHAUSTED);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/?signed-out=1');
  await expect(page.getByRole('link', { name: 'Create your account' })).toBeVisible();
  await page.goto('/dashboard');
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  await expect(page.locator('input[name=identifier]')).toBeVisible();
});

test('when Clerk is unreachable, the screen waits, then says so, and signs no user out', async ({ page, context, clerk, expectProblem }) => {
  const signedIn = await clerk.inside(context);
  await signedIn.loseToken();
  const traffic = new Traffic(page);
  await clerk.setFaults({ faults: [{ path_starts_with: '/v1/', status: 503, count: 1_000 }] });
  expectProblem(/__clerk.* answered 503/, [1, 30]);
  expectProblem(/ClerkJS|Clerk: /, [0, 20]);
  // Our server is polled in case a token came anyway.
  expectProblem(/session_status answered 401/, [1, 20]);

  await page.goto('/dashboard');
  await expect(stillLoading(page)).toBeVisible({ timeout: 10_000 });
  await expect(cause(page)).toContainText('got no usable answer. The service is down, or too busy.');
  // A handshake that Clerk cannot answer is not repeated.
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard', 'GET /token-pending', 'GET /token-pending']);

  await clerk.resetFaults();
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
});

test('the screen says so when the browser does not keep its token', async ({ page, context, clerk, expectProblem }) => {
  // The wait's last call, and those of the screen after it.
  expectProblem(/session_status answered 401/, [0, 4]);
  const signedIn = await clerk.inside(context);
  await signedIn.loseToken();
  await page.addInitScript(() => {
    const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie')!;
    Object.defineProperty(document, 'cookie', {
      get,
      set(text: string) {
        // As browsers do with cookies that are too large. The limit of handshakes is reached: their cookies would be
        // dropped, too.
        if (!text.startsWith('__session')) set!.call(document, text);
      },
    });
  });
  await context.addCookies([{ name: '__clerk_redirect_count', value: '3', domain: 'localhost', path: '/' }]);
  await page.goto('/dashboard');
  await expect(stillLoading(page)).toBeVisible(EXHAUSTED);
  await expect(cause(page)).toContainText('gave your browser a session, and your browser did not keep it');
});
