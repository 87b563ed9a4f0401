// A returning browser has an expired token: Clerk's handshake renews it before anything is shown.
import { accessibilityProblems } from './support/accessibility';
import { App } from './support/app.mjs';
import { Clerk } from './support/clerk';
import { newOrganization, signOut } from './support/users';
import { expect, test } from './support/test';
import { HANDSHAKE, Traffic } from './support/traffic';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

test('a browser without a token gets a new one on the way, and sees nothing in between', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await signedIn.loseToken();
  const traffic = new Traffic(page);

  await page.goto('/dashboard?x=1');

  await expect(page).toHaveURL('/dashboard?x=1');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard']);
  // The handshake's result is in the browser's cookies: the next load needs no handshake.
  traffic.forget();
  await page.reload();
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard']);
  const names = (await context.cookies()).map((cookie) => cookie.name);
  expect(names).not.toContain('__clerk_handshake_nonce');
});

test('a token that expired ten minutes ago is renewed on the way, and the user sees nothing in between', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  // Issued ten minutes ago, for a minute.
  await clerk.setFaults({ clock_offset_ms: -600_000 });
  await signedIn.renew();
  await clerk.resetFaults();
  const old = await context.cookies();
  const seen: string[] = [];
  await page.exposeFunction('sawHeading', (text: string) => seen.push(text));
  await page.addInitScript(() => {
    const w = window as unknown as { sawHeading: (text: string) => void };
    addEventListener('DOMContentLoaded', () => w.sawHeading(document.querySelector('h1')?.textContent ?? ''));
  });
  const traffic = new Traffic(page);

  await page.goto('/dashboard');

  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard']);
  expect(seen).toEqual([signedIn.organization.name]);
  const session = (cookies: typeof old) => cookies.find((cookie) => cookie.name === '__session')?.value;
  expect(session(await context.cookies())).not.toBe(session(old));
});

test('unreachable keys are an outage that ends by itself and signs no user out', async ({ page, context, clerk, app, expectProblem }) => {
  test.setTimeout(60_000);
  const signedIn = await clerk.inside(context);
  // A process that has no keys yet.
  await app.restart();
  await clerk.setFaults({ faults: [{ path_starts_with: '/v1/jwks', path_ends_with: '', status: 503, count: 1 }] });
  expectProblem(/\/dashboard answered 503/);
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: 'We can’t check your session right now' })).toBeVisible();
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible({ timeout: 15_000 });
  expect(traffic.documents()).toEqual(['GET /dashboard', 'GET /dashboard']);
});

test('a wrong issuer is diagnosed at once, with both values and without a redirect loop', async ({ browser }) => {
  test.setTimeout(90_000);
  const app = await App.start(undefined, 'production', { CLERK_ISSUER: 'https://clerk.wrong.example' });
  const context = await browser.newContext({ baseURL: app.origin });
  try {
    const page = await context.newPage();
    await new Clerk(app).signedIn(context);
    const traffic = new Traffic(page);
    await page.goto('/dashboard');
    await expect(page.getByRole('heading', { name: 'We can’t accept this session' })).toBeVisible();
    await expect(page.getByText('https://clerk.wrong.example', { exact: true })).toBeVisible();
    await expect(page.getByText(/^https:\/\/clerk-[0-9a-f]{8}\.emulator\.localhost$/)).toBeVisible();
    await expect(page.getByText('set CLERK_ISSUER=')).toBeVisible();
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(traffic.documents()).toEqual(['GET /dashboard']);
    expect(app.log()).toContain('auth.issuer.expected=https://clerk.wrong.example');
  } finally {
    await context.close();
    await app.dispose();
  }
});

test('signing out in one tab takes effect in the other', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  const other = await context.newPage();
  for (const tab of [page, other]) {
    await tab.goto('/dashboard');
    await expect(tab.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  }
  await signOut(page);
  await expect(page).toHaveURL('/?signed-out=1');
  await other.reload();
  await expect(other).toHaveURL(/\/sign-in\?next=/);
  await other.goBack();
  await expect(other.getByRole('heading', { name: signedIn.organization.name })).toHaveCount(0);
});

test('a session that Clerk has ended leads to sign-in, which keeps the target', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await signedIn.loseToken();
  await clerk.endSession(signedIn);
  const traffic = new Traffic(page);

  await page.goto('/dashboard?x=1');

  await expect(page).toHaveURL('/sign-in?next=/dashboard%3Fx%3D1');
  await expect(page.locator('input[name=identifier]')).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard', 'GET /sign-in']);
});

test('without JavaScript an expired session is renewed, too', async ({ visitor, clerk, expectProblem }) => {
  const page = await visitor({ javaScriptEnabled: false });
  expectProblem(/\/pkg\/.*\.js failed: csp/, [0, 20]);
  const signedIn = await clerk.inside(page.context());
  await signedIn.loseToken();
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard', HANDSHAKE, 'GET /dashboard']);
});

test('without JavaScript, when the claim never comes, three attempts lead to the screen that names the cause', async ({ visitor, clerk, expectProblem }) => {
  const page = await visitor({ javaScriptEnabled: false });
  expectProblem(/\/pkg\/.*\.js failed: csp/, [0, 20]);
  const signedIn = await clerk.inside(page.context());
  await clerk.forgetOrganization(signedIn);
  await signedIn.renew();
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: 'Session still loading' })).toBeVisible();
  const tries = traffic.documents();
  expect(tries).toEqual([
    'GET /dashboard', 'GET /token-pending', HANDSHAKE, 'GET /token-pending', HANDSHAKE, 'GET /token-pending', HANDSHAKE, 'GET /token-pending',
  ]);
  await page.getByRole('button', { name: 'Open the dashboard' }).click();
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
});

test('without JavaScript the screen opens the dashboard by itself once the claim comes', async ({ visitor, clerk, app, expectProblem }) => {
  test.setTimeout(60_000);
  const page = await visitor({ javaScriptEnabled: false });
  expectProblem(/\/pkg\/.*\.js failed: csp/, [0, 20]);
  await clerk.signedIn(page.context());
  await clerk.setFaults({ metadata_delay_ms: 9_000 });
  const { origin } = app;
  await page.context().request.post(`${origin}/api/organizations/create`, { headers: { origin }, data: newOrganization() });
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: 'Session still loading' })).toBeVisible();
  await expect(page.getByText('This page keeps checking for a minute, and opens by itself.')).toBeVisible();
  await expect(page).toHaveURL('/dashboard', { timeout: 20_000 });
  expect(traffic.documents().length).toBeLessThanOrEqual(16);
});

test('without JavaScript the screen stops after its last check and says so', async ({ visitor, clerk, expectProblem }) => {
  const page = await visitor({ javaScriptEnabled: false });
  expectProblem(/\/pkg\/.*\.js failed: csp/, [0, 20]);
  const signedIn = await clerk.inside(page.context());
  await clerk.forgetOrganization(signedIn);
  await signedIn.renew();
  // The next-to-last check: each is a page of its own, so the test can skip the others.
  await page.goto('/token-pending?next=/dashboard&tried=1&attempt=14');
  await expect(page.getByText('This page keeps checking for a minute, and opens by itself.')).toBeVisible();
  await expect(page.getByText('We’ve stopped checking. Nothing is lost: open the dashboard, or try again.')).toBeVisible();
  await expect(page).toHaveURL(/attempt=15$/);
  await expect(page.locator('meta[http-equiv=refresh]')).toHaveCount(0);
});
