// What makes a change of metadata by the Backend API visible where: section 5.6 of the protocol, by the official clerk-js
// in a browser. Fresh: with the change. Stale: as before it.
import type { Page } from '@playwright/test';
import type { Row } from './support/rows';

export interface BrowserRow extends Row {
  /** After the change: what is called in the page. */
  act: (page: Page) => Promise<unknown>;
  /** In the emulator, from before the page was loaded. */
  wishes?: Record<string, unknown>;
  /** The change comes in a later second than the tokens before it, where it matters which of two tokens is newer. */
  later?: boolean;
}

const TOKENS = 'POST /client/sessions/{session}/tokens';
const SESSION = 'GET /client/sessions/{session}';
const TOUCH = 'POST /client/sessions/{session}/touch';

const all = (state: string) => ({ user: state, lastActiveToken: state, getToken: state, cookie: state });
/** The token is fresh, and who it is about is not. */
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

/** The window gets the focus, and clerk-js tells Clerk. */
async function focus(page: Page): Promise<void> {
  const touched = page.waitForResponse((response) => response.url().includes('/touch'));
  await page.evaluate(() => window.dispatchEvent(new Event('focus')));
  await (await touched).finished();
  // The answer is worked in by the next turn.
  await page.evaluate(() => new Promise((done) => setTimeout(done)));
}

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
  { id: '5.6-focus', call: 'the window gets the focus', act: focus, expected: { http: TOUCH, ...all('fresh') } },
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
    expected: { http: 'GET /environment, GET /client', ...all('fresh'), document: 'stale' },
  },
  {
    id: '5.6-client-reload',
    call: 'client.reload()',
    act: reloadClient,
    expected: { http: 'GET /client', user: 'stale', lastActiveToken: 'stale', getToken: 'fresh', cookie: 'stale' },
  },
];

export const browserRows: BrowserRow[] = [...base];
