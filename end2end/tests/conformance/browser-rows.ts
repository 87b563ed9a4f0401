// Which calls make a metadata change by the Backend API visible, and where: section 5.6 of the protocol, with the
// official clerk-js in a browser. Fresh: with the change. Stale: without it.
import type { Page } from '@playwright/test';
import type { Row } from './support/rows';

export interface BrowserRow extends Row {
  /** What the page calls after the change. */
  act: (page: Page) => Promise<unknown>;
  /** The emulator's fault settings, from before the page loads. */
  settings?: Record<string, unknown>;
  /** The change comes at least a second after the earlier tokens, so that their order is clear. */
  later?: boolean;
}

const RENEWAL_LIMIT_MS = 8_000;
const POLL_LIMIT_MS = 8_000;

const TOKENS = 'POST /client/sessions/{session}/tokens';
const SESSION = 'GET /client/sessions/{session}';
const TOUCH = 'POST /client/sessions/{session}/touch';

const all = (state: string) => ({ user: state, lastActiveToken: state, getToken: state, cookie: state });
/** The token is fresh, the user object is not. */
const TOKEN_ONLY = { ...all('fresh'), user: 'stale' };

const run = (script: string) => (page: Page) => page.evaluate(`(async () => { await ${script}; })()`);
const nothing = async () => {};
const getToken = run('Clerk.session.getToken()');
const skipCache = run('Clerk.session.getToken({ skipCache: true })');
const clearCache = run('(Clerk.session.clearCache(), Clerk.session.getToken())');
const reloadSession = run('Clerk.session.reload()');
const reloadUser = run('Clerk.user.reload()');
const touch = run('Clerk.session.touch()');
const setActive = run('Clerk.setActive({ session: Clerk.session.id })');
const update = run("Clerk.user.update({ firstName: 'Mae' })");
const reloadClient = run('Clerk.client.reload()');

/** The window gets focus, and clerk-js notifies Clerk. */
async function focus(page: Page): Promise<void> {
  const touched = page.waitForResponse((response) => response.url().includes('/touch'));
  await page.evaluate(() => window.dispatchEvent(new Event('focus')));
  await (await touched).finished();
  await nextTurn(page);
}

/** By then responses have been processed. */
const nextTurn = (page: Page) => page.evaluate(() => new Promise((done) => setTimeout(done)));

async function load(page: Page): Promise<void> {
  await page.reload();
  await page.evaluate('Clerk.load({ telemetry: false })');
}

const base: BrowserRow[] = [
  { id: '5.6-nothing', call: 'nothing', act: nothing, expected: { http: '', ...all('stale') } },
  { id: '5.6-get-token', call: 'session.getToken()', act: getToken, expected: { http: '', ...all('stale') } },
  {
    id: '5.6-skip-cache',
    call: 'session.getToken({ skipCache: true })',
    act: skipCache,
    expected: { http: `${TOKENS}?debug=skip_cache`, ...TOKEN_ONLY },
  },
  { id: '5.6-clear-cache', call: 'session.clearCache(), session.getToken()', act: clearCache, expected: { http: TOKENS, ...TOKEN_ONLY } },
  { id: '5.6-session-reload', call: 'session.reload()', act: reloadSession, expected: { http: SESSION, ...all('fresh'), listener: 'fresh' } },
  {
    id: '5.6-user-reload',
    call: 'user.reload()',
    act: reloadUser,
    expected: { http: 'GET /me?_clerk_session_id={session}', ...all('fresh'), listener: 'fresh' },
  },
  { id: '5.6-touch', call: 'session.touch()', act: touch, expected: { http: TOUCH, ...all('fresh') } },
  { id: '5.6-set-active', call: 'setActive({ session })', act: setActive, expected: { http: TOUCH, ...all('fresh') } },
  { id: '5.6-focus', call: 'the window gets focus', act: focus, expected: { http: TOUCH, ...all('fresh') } },
  {
    id: '5.6-user-update',
    call: 'user.update({ firstName })',
    act: update,
    expected: { http: 'PATCH /me?_clerk_session_id={session}', ...all('fresh') },
  },
  {
    id: '5.6-load',
    call: 'the page is loaded again',
    act: load,
    expected: { http: 'GET /client, GET /environment', ...all('fresh'), document: 'stale' },
  },
  {
    id: '5.6-client-reload',
    call: 'client.reload()',
    act: reloadClient,
    expected: { http: 'GET /client', user: 'stale', lastActiveToken: 'stale', getToken: 'fresh', cookie: 'stale' },
  },
];

/** Until clerk-js has renewed the token by itself: 17 s before it expires. */
async function renewal(page: Page): Promise<void> {
  const renewed = await page.waitForResponse((response) => response.url().includes('/tokens'), { timeout: RENEWAL_LIMIT_MS });
  await renewed.finished();
  await nextTurn(page);
}

/** Until clerk-js has polled the cookie again. */
async function polls(page: Page): Promise<void> {
  const before = await page.evaluate('polls');
  await page.waitForFunction((count) => Number(count) < (window as never as { polls: number }).polls, before, { timeout: POLL_LIMIT_MS });
  await nextTurn(page);
}

/** The app's server sets the cookie to a token from the Backend API. */
const written = (page: Page) => page.evaluate(async () => void (await (await fetch('/renew')).text()));

/** One after the other. */
const steps =
  (...acts: ((page: Page) => Promise<unknown>)[]) =>
  async (page: Page) => {
    for (const act of acts) await act(page);
  };

const automatic: BrowserRow[] = [
  {
    id: '5.6-automatic',
    call: 'nothing, until clerk-js renews the token by itself (tokens live 19 s: after 2 s)',
    settings: { token_lifetime_s: 19 },
    act: renewal,
    expected: { http: TOKENS, ...TOKEN_ONLY },
  },
];

const WITHOUT_CLIENT = { omit_client: true };
const OLD = { last_active_token: 'old' };
const WITHOUT_OIAT = { omit_oiat: true };
const MINTER = { session_minter: true };
/** The user object is fresh, every token stale. */
const USER_ONLY = { ...all('stale'), user: 'fresh' };

const variations: BrowserRow[] = [
  {
    id: '5.6-B-session-reload',
    call: 'session.reload(), which answers without the client',
    settings: WITHOUT_CLIENT,
    act: reloadSession,
    expected: { http: SESSION, ...all('stale'), lastActiveToken: 'fresh', sessionUser: 'fresh', listener: 'stale' },
  },
  {
    id: '5.6-B-user-reload',
    call: 'user.reload(), which answers without the client',
    settings: WITHOUT_CLIENT,
    act: reloadUser,
    expected: { ...USER_ONLY },
  },
  { id: '5.6-B-skip-cache', call: 'session.getToken({ skipCache: true })', settings: WITHOUT_CLIENT, act: skipCache, expected: TOKEN_ONLY },
  ...(
    [
      ['session-reload', 'session.reload()', reloadSession],
      ['user-reload', 'user.reload()', reloadUser],
      ['touch', 'session.touch()', touch],
      ['load', 'the page is loaded again', load],
    ] as const
  ).map(([id, call, act]): BrowserRow => ({
    id: `5.6-C-${id}`,
    call: `${call}, which answers with an old token`,
    settings: OLD,
    later: true,
    act,
    expected: USER_ONLY,
  })),
  { id: '5.6-C-skip-cache', call: 'session.getToken({ skipCache: true })', settings: OLD, later: true, act: skipCache, expected: TOKEN_ONLY },
  {
    id: '5.6-C-skip-cache-reload',
    call: 'session.getToken({ skipCache: true }), session.reload(), which answers with an old token',
    settings: OLD,
    later: true,
    act: steps(skipCache, reloadSession),
    expected: all('fresh'),
  },
  {
    id: '5.6-D-skip-cache',
    call: 'session.getToken({ skipCache: true }), tokens without oiat',
    settings: WITHOUT_OIAT,
    later: true,
    act: skipCache,
    expected: TOKEN_ONLY,
  },
  {
    id: '5.6-D-session-reload',
    call: 'session.reload(), tokens without oiat',
    settings: WITHOUT_OIAT,
    later: true,
    act: reloadSession,
    expected: all('fresh'),
  },
  {
    id: '5.6-F-skip-cache-reload',
    call: 'session.getToken({ skipCache: true }), session.reload(), which answers with an old token, tokens without oiat',
    settings: { ...OLD, ...WITHOUT_OIAT },
    later: true,
    act: steps(skipCache, reloadSession),
    expected: USER_ONLY,
  },
  {
    id: '5.6-E-written',
    call: 'the server writes a fresh token into the cookie, and clerk-js polls',
    later: true,
    act: steps(written, polls),
    expected: { http: '', ...all('stale'), cookie: 'fresh' },
  },
  {
    id: '5.6-E-written-no-oiat',
    call: 'the server writes a fresh token into the cookie, and clerk-js polls, tokens without oiat',
    settings: WITHOUT_OIAT,
    later: true,
    act: steps(written, polls),
    expected: { http: '', ...all('stale') },
  },
  {
    id: '5.6-minter-clear-cache',
    call: 'session.clearCache(), session.getToken()',
    settings: MINTER,
    act: clearCache,
    expected: { http: `${TOKENS}?token`, ...all('stale') },
  },
  {
    id: '5.6-minter-skip-cache',
    call: 'session.getToken({ skipCache: true })',
    settings: MINTER,
    later: true,
    act: skipCache,
    expected: { http: `${TOKENS}?debug=skip_cache&token&force_origin=true`, ...TOKEN_ONLY },
  },
  ...(
    [
      ['session-reload', 'session.reload()', reloadSession],
      ['touch', 'session.touch()', touch],
      ['load', 'the page is loaded again', load],
    ] as const
  ).map(([id, call, act]): BrowserRow => ({ id: `5.6-minter-${id}`, call, settings: MINTER, later: true, act, expected: all('fresh') })),
  {
    id: '5.6-minter-reload-clear-cache',
    call: 'session.reload(), session.clearCache(), session.getToken()',
    settings: MINTER,
    later: true,
    act: steps(reloadSession, clearCache),
    expected: { http: `${SESSION}, ${TOKENS}?token`, ...all('fresh') },
  },
  {
    id: '5.6-minter-automatic',
    call: 'nothing, until clerk-js renews the token by itself (tokens live 19 s: after 2 s)',
    settings: { ...MINTER, token_lifetime_s: 19 },
    act: renewal,
    expected: { http: `${TOKENS}?token`, ...all('stale') },
    remark: 'How long Clerk’s edge keeps claims is unknown. The emulator’s copies them forever.',
  },
];

export const browserRows: BrowserRow[] = [...base, ...automatic, ...variations];
