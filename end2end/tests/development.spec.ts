// The other transport: a development instance, which browsers call directly, across origins and over TLS, and which
// identifies them by a token in the query instead of a cookie.
import type { BrowserContext, Page } from '@playwright/test';
import { createClerkClient } from '@clerk/backend';
import { newOrganization, newUser, signInByPassword, signOut, signUp } from './support/users';
import { expect, test } from './support/test';
import { Traffic } from './support/traffic';

test.use({ clerkKind: 'development' });

/** Plain, and with the instance's suffix. */
const CLERK_COOKIES = ['__clerk_db_jwt', '__client_uat', '__session'];

async function clerkCookies(context: BrowserContext) {
  const cookies = (await context.cookies()).filter(({ name }) => CLERK_COOKIES.some((known) => name === known || name.startsWith(`${known}_`)));
  return cookies.sort((one, other) => one.name.localeCompare(other.name));
}

/** The cookies' values, once the plain and the suffixed form agree: clerk-js writes one after the other. */
async function clerkValues(context: BrowserContext): Promise<Record<string, string>> {
  let values: Record<string, string> = {};
  await expect(async () => {
    const cookies = await clerkCookies(context);
    const valuesOf = (test: (name: string) => boolean) => cookies.filter(({ name }) => test(name)).map((cookie) => cookie.value);
    for (const name of CLERK_COOKIES) {
      const plain = valuesOf((found) => found === name);
      expect(plain, name).toHaveLength(1);
      expect(valuesOf((found) => found.startsWith(`${name}_`)), `${name} with the suffix`).toEqual(plain);
      values = { ...values, [name]: plain[0] };
    }
  }).toPass({ timeout: 5_000 });
  return values;
}

async function createOrganization(page: Page) {
  const organization = newOrganization();
  await page.getByLabel('Organization name').fill(organization.name);
  await expect(page.getByLabel('Web address')).toHaveValue(organization.slug);
  await page.getByRole('button', { name: 'Create organization' }).click();
  await page.waitForURL(/\/dashboard\b/);
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  return organization;
}

test('sign-up, organization, dashboard, reload, sign-out and sign-in, with Clerk on its own origin', async ({ page, context, app, inbox }) => {
  const traffic = new Traffic(context);
  const [, frontendApi] = app.origins;
  const user = newUser();

  await signUp(page, inbox, user);
  await expect(page).toHaveURL(/\/onboarding\b/);
  const before = await clerkValues(context);
  expect(Number(before.__client_uat)).toBeGreaterThan(0);
  const organization = await createOrganization(page);
  const inside = await clerkValues(context);
  expect(inside.__clerk_db_jwt).toBe(before.__clerk_db_jwt);
  expect(inside.__session).not.toBe(before.__session);

  await page.reload();
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();

  await signOut(page);
  expect((await clerkCookies(context)).filter(({ name }) => name.startsWith('__client_uat')).map(({ value }) => value)).toEqual(['0', '0']);
  await page.goto('/dashboard');
  await expect(page).toHaveURL(/\/sign-in\b/);
  await signInByPassword(page, user);
  await page.waitForURL(/\/dashboard\b/);
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  expect((await clerkValues(context)).__clerk_db_jwt, 'the browser is still the same').toBe(before.__clerk_db_jwt);

  // All calls went to Clerk's own host, which sets no cookies, and none through the app. The first handshake registered
  // the browser, so clerk-js did not have to.
  const asked = traffic.requests.filter((request) => request.url().startsWith(`${frontendApi}/v1/`));
  const handshakes = asked.filter((request) => new URL(request.url()).pathname === '/v1/client/handshake');
  expect(handshakes.map((request) => new URL(request.url()).searchParams.get('__clerk_hs_reason'))).toEqual(['dev-browser-missing']);
  const calls = asked.filter((request) => !handshakes.includes(request));
  const named = (path: string) => calls.filter((request) => new URL(request.url()).pathname === path);
  expect(named('/v1/dev_browser')).toHaveLength(0);
  for (const path of ['/v1/environment', '/v1/client', '/v1/client/sign_ups', '/v1/client/sign_ins']) expect(named(path), path).not.toEqual([]);
  let answered = 0;
  for (const call of calls) {
    const token = new URL(call.url()).searchParams.get('__clerk_db_jwt');
    expect(token).toBe(before.__clerk_db_jwt);
    // A call cut off by a navigation has no response.
    const response = await call.response();
    if (!response) continue;
    answered += 1;
    expect((await response.serverAddr())?.ipAddress, call.url()).toBe('127.0.0.1');
    expect(await response.headerValue('access-control-allow-origin'), call.url()).toBe(app.origin);
    expect(await response.headerValue('set-cookie'), call.url()).toBeNull();
  }
  expect(answered).toBeGreaterThan(10);
  const byTheApp = traffic.requests.filter((request) => request.url().startsWith(app.origin)).map((request) => new URL(request.url()).pathname);
  expect(byTheApp.filter((path) => path.startsWith('/__clerk'))).toEqual([]);
  expect((await page.request.get('/__clerk/v1/client')).status()).toBe(404);

  // Without a session token, the handshake's result comes in the query, and a redirect removes it from there.
  // An open page would put its token back.
  await page.goto('about:blank');
  await context.clearCookies({ name: /^__session/ });
  traffic.forget();
  await page.goto('/dashboard?x=1');
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard', 'GET /v1/client/handshake', 'GET /dashboard', 'GET /dashboard']);
  expect(page.url()).toBe(`${app.origin}/dashboard?x=1`);
});

test('a browser that Clerk no longer knows gets a new token by itself', async ({ page, context, expectProblem }) => {
  await page.goto('/sign-in');
  await expect(page.locator('input[name=identifier]')).toBeVisible();
  // An open page would put its own token back.
  await page.goto('about:blank');
  const known = (await clerkCookies(context)).filter(({ name }) => name.startsWith('__clerk_db_jwt'));
  expect(known).toHaveLength(2);
  await context.addCookies(known.map((cookie) => ({ ...cookie, value: 'dvb_forgotten' })));
  // The call for the environment, for the client, or both, depending on which comes first.
  expectProblem(/answered 401/, [1, 4]);
  await page.goto('/sign-up');
  await expect(page.locator('input[name=emailAddress]')).toBeVisible();
  await expect.poll(async () => (await clerkCookies(context)).map(({ value }) => value)).not.toContain('dvb_forgotten');
});

test("Clerk's own server library reads a handshake's result from the query, in both formats", async ({ page, context, app, inbox, playwright }) => {
  await signUp(page, inbox, newUser());
  const { __clerk_db_jwt: browser } = await clerkValues(context);
  const { publishable_key: publishableKey, secret_key: secretKey, api_url: apiUrl, frontend_api_url } = app.dev;
  const clerk = createClerkClient({ publishableKey, secretKey, apiUrl, telemetry: { disabled: true } });
  const document = (url: string, cookies: string[]) =>
    clerk.authenticateRequest(new Request(url, { headers: { accept: 'text/html', 'sec-fetch-dest': 'document', cookie: cookies.join('; ') } }), {
      authorizedParties: [app.origin],
    });
  const http = await playwright.request.newContext({ ignoreHTTPSErrors: true });
  for (const format of ['nonce', 'token']) {
    // The library redirects a browser without cookies to the endpoint under test.
    const sent = await document(`${app.origin}/dashboard?next=1`, []);
    expect([sent.status, sent.reason]).toEqual(['handshake', 'dev-browser-missing']);
    const there = new URL(sent.headers.get('location')!);
    expect(there.origin).toBe(app.origins[1]);
    there.searchParams.set('format', format);
    there.searchParams.set('__clerk_db_jwt', browser);
    const back = await http.get(frontend_api_url + there.pathname + there.search, { maxRedirects: 0 });
    expect(back.status()).toBe(307);

    const resolved = await document(back.headers().location, []);
    expect(resolved.headers.get('location')).toBe(`${app.origin}/dashboard?next=1`);
    const cookies = resolved.headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
    expect(cookies).toContain(`__clerk_db_jwt=${browser}`);
    const arrived = await document(`${app.origin}/dashboard?next=1`, cookies);
    expect(arrived.status).toBe('signed-in');
  }
  await http.dispose();
});
