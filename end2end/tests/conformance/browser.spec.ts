// The official clerk-js in Chromium, on a page with nothing else.
import { type BrowserContext, type Page, test } from '@playwright/test';
import { browserRows } from './browser-rows';
import { servePage } from './support/page';
import type { Passed, Relay } from './support/relay';
import { testRows, type Values } from './support/rows';
import { shared } from './support/shared';
import { backend, cookieSuffix, payload } from './support/visitor';

const { emulator } = shared(test, { seed: { claims_template: { version: '{{user.public_metadata.version}}' } } });
/** The limit for what has no event to wait for. */
const SECOND_LIMIT_MS = 3_000;

let site: Relay;
let context: BrowserContext;

test.beforeAll(async () => {
  site = await servePage(emulator());
});

test.beforeEach(async ({ browser }) => {
  context = await browser.newContext({ baseURL: site.origin });
});

test.afterEach(async () => {
  await context.close();
  await emulator().resetFaults();
});

test.afterAll(async () => site?.stop());

testRows(browserRows, async (row) => {
  const page = await context.newPage();
  await page.addInitScript(keepWhatListenersHear);
  await page.addInitScript(countPolls);
  if (row.settings) await emulator().setFaults(row.settings);
  const user = await signIn(page);
  if (row.later) await nextSecond(page);
  await changeVersion(user);
  const from = site.passed.length;
  await row.act(page);
  const http = site.passed.slice(from);
  return { ...(await look(page)), http: calls(http), document: documentCookie(http) };
});

/** Signs a new user (version 1) in on the page. Returns the id. */
async function signIn(page: Page): Promise<string> {
  const { settings, address } = emulator();
  const api = { address, secretKey: settings.CLERK_SECRET_KEY };
  const email = `user-${Date.now()}@example.test`;
  const { id } = await backend(api, '/users', { email_address: [email], public_metadata: { version: 1 } });
  const { token } = await backend(api, '/sign_in_tokens', { user_id: id });
  await page.goto('/');
  await page.evaluate(async (ticket) => {
    const { Clerk } = window as never as { Clerk: any };
    await Clerk.load({ telemetry: false });
    const signIn = await Clerk.client.signIn.create({ strategy: 'ticket', ticket });
    await Clerk.setActive({ session: signIn.createdSessionId });
  }, token);
  return id;
}

async function changeVersion(user: string): Promise<void> {
  const { settings, address } = emulator();
  const response = await fetch(new URL(`/v1/users/${user}/metadata`, address), {
    method: 'PATCH',
    headers: { authorization: `Bearer ${settings.CLERK_SECRET_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ public_metadata: { version: 2 } }),
  });
  if (!response.ok) throw new Error(`the change was answered ${response.status}`);
}

/** Waits for a later second than the page's token was issued in. */
async function nextSecond(page: Page): Promise<void> {
  const token = await page.evaluate(() => (window as never as { Clerk: any }).Clerk.session.getToken());
  const iat = Number(payload(token).iat);
  const deadline = Date.now() + SECOND_LIMIT_MS;
  while (Math.floor(Date.now() / 1000) <= iat) {
    if (Date.now() > deadline) throw new Error('the clock stands still');
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** The last state a listener received. Runs in the page. */
function keepWhatListenersHear(): void {
  const wait = setInterval(() => {
    const { Clerk } = window as never as { Clerk: any };
    if (!Clerk?.loaded) return;
    clearInterval(wait);
    Clerk.addListener(({ user }: { user: any }) => Object.assign(window, { heard: user?.publicMetadata.version }));
  }, 5);
}

/** Counts clerk-js's polls of the cookie, which take a lock. Runs in the page. */
function countPolls(): void {
  const usual = navigator.locks.request.bind(navigator.locks) as (...args: unknown[]) => Promise<unknown>;
  Object.assign(window, { polls: 0 });
  navigator.locks.request = (async (name: string, ...rest: unknown[]) => {
    const done = await usual(name, ...rest);
    if (name === 'clerk.lock.refreshSessionToken') (window as never as { polls: number }).polls += 1;
    return done;
  }) as never;
}

/** Which version is where. The cookie is read first, because `getToken` writes it. */
async function look(page: Page): Promise<Values> {
  const suffixed = `__session_${cookieSuffix(emulator().settings.CLERK_PUBLISHABLE_KEY)}`;
  const seen = await page.evaluate(async (suffixed) => {
    const { Clerk, heard } = window as never as { Clerk: any; heard: unknown };
    const version = (token: string | undefined) => token && JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).version;
    const cookies = Object.fromEntries(document.cookie.split('; ').map((pair) => pair.split(/=(.*)/s)));
    return {
      cookie: [version(cookies.__session), version(cookies[suffixed])],
      user: Clerk.user.publicMetadata.version,
      sessionUser: Clerk.session.user.publicMetadata.version,
      lastActiveToken: version(Clerk.session.lastActiveToken?.getRawString()),
      listener: heard,
      getToken: version(await Clerk.session.getToken()),
    };
  }, suffixed);
  const word = (version: unknown) => ({ 1: 'stale', 2: 'fresh' })[version as number] ?? 'none';
  const { cookie, ...others } = seen;
  const words = [...new Set(cookie.map(word))].join(' and ');
  return { ...Object.fromEntries(Object.entries(others).map(([name, version]) => [name, word(version)])), cookie: words };
}

/** The calls to the Frontend API, as clerk-js intends them. Sorted, because some are concurrent. */
function calls(passed: Passed[]): string {
  const lines = passed
    .filter(({ path }) => path.startsWith('/__clerk/'))
    .map(({ method, path, body }) => {
      const url = new URL(path, site.origin);
      const kept = ['debug', '_clerk_session_id'].flatMap((name) => (url.searchParams.has(name) ? `${name}=${url.searchParams.get(name)}` : []));
      const form = new URLSearchParams(body);
      if (form.has('token')) kept.push('token');
      if (form.has('force_origin')) kept.push(`force_origin=${form.get('force_origin')}`);
      const query = kept.length > 0 ? `?${kept.join('&')}` : '';
      return `${url.searchParams.get('_method') ?? method} ${url.pathname.replace('/__clerk/v1', '')}${query}`.replace(/sess_\w{27}/g, '{session}');
    });
  return lines.sort().join(', ');
}

/** Which version the document's own request carried. */
function documentCookie(passed: Passed[]): string | null {
  const token = /(?:^|; )__session=([^;]+)/.exec(passed.find(({ path }) => path === '/')?.headers.cookie ?? '')?.[1];
  return token ? (payload(token).version === 1 ? 'stale' : 'fresh') : null;
}
