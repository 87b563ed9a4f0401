// The screen between a token that is not good enough and one that is.
import { accessibilityProblems } from './support/accessibility';
import { cause, questions, statusQuestions, stillLoading } from './support/creation';
import { expect, test } from './support/test';
import { HANDSHAKE, Traffic } from './support/traffic';

test.afterEach(async ({ clerk }) => clerk.misbehave());

/** About 2.5 s of trying, then the screen says so. The rest is for a slow machine. */
const EXHAUSTED = { timeout: 5_000 };

test('a claim that never comes is waited for, then explained, and never answered with the form', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  const { id: activeOrgId, name } = signedIn.organization;
  await clerk.forgetOrganization(signedIn);
  await signedIn.loseToken();
  const traffic = new Traffic(page);

  await page.goto('/dashboard?x=1');
  await expect(page.getByRole('heading', { name: 'Refreshing your session' })).toBeVisible();
  await expect(stillLoading(page)).toBeVisible(EXHAUSTED);
  // Tried for 2.5 s, up to three times in each second; the screen has just begun.
  expect(questions(traffic)).toBeLessThanOrEqual(9);
  expect(statusQuestions(traffic)).toBeLessThanOrEqual(10);
  // What was missing at first was the token: Clerk gave one on the way, and the cause is another.
  await expect(cause(page)).toContainText('still issues sessions without it');
  await expect(page.getByRole('region', { name: 'What we know' })).toContainText(name);
  await expect(page.getByRole('button', { name: 'Try again' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await accessibilityProblems(page)).toEqual([]);
  }

  // The form does not come back for people who try its address.
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

test('a member may open the dashboard anyway, and is told what is behind; nobody else may', async ({ page, context, clerk, visitor }) => {
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

test('signing out works from the screen that waits', async ({ page, context, clerk }) => {
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

test('Clerk out of reach is waited for, then said, and signs nobody out', async ({ page, context, clerk, expectProblem }) => {
  const signedIn = await clerk.inside(context);
  await signedIn.loseToken();
  const traffic = new Traffic(page);
  await clerk.misbehave({ faults: [{ path_starts_with: '/v1/', status: 503, count: 1_000 }] });
  expectProblem(/__clerk.* answered 503/, [1, 30]);
  expectProblem(/ClerkJS|Clerk: /, [0, 20]);
  // Our server is asked whether a token came all the same.
  expectProblem(/session_status answered 401/, [1, 20]);

  await page.goto('/dashboard');
  await expect(stillLoading(page)).toBeVisible({ timeout: 10_000 });
  await expect(cause(page)).toContainText('got no usable answer. The service is down, or too busy.');
  // A handshake that Clerk cannot answer comes back, and none follows it.
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard', 'GET /token-pending', 'GET /token-pending']);

  await clerk.misbehave();
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
});

test('a browser that does not keep its token is told so', async ({ page, context, clerk, expectProblem }) => {
  // The last question before the wait ends, and those of the screen after it.
  expectProblem(/session_status answered 401/, [0, 4]);
  const signedIn = await clerk.inside(context);
  await signedIn.loseToken();
  await page.addInitScript(() => {
    const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie')!;
    Object.defineProperty(document, 'cookie', {
      get,
      set(text: string) {
        // As browsers do with one that is too large. Handshakes have been tried: their cookies would be dropped, too.
        if (!text.startsWith('__session')) set!.call(document, text);
      },
    });
  });
  await context.addCookies([{ name: '__clerk_redirect_count', value: '3', domain: 'localhost', path: '/' }]);
  await page.goto('/dashboard');
  await expect(stillLoading(page)).toBeVisible(EXHAUSTED);
  await expect(cause(page)).toContainText('gave your browser a session, and your browser did not keep it');
});
