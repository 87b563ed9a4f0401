// The main path in the system's engines, which Playwright cannot drive: sign up, create an organization, reach the
// dashboard, sign out. `make test-browsers` runs it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { App } from '../tests/support/app.mjs';
import { codeFor, resetFaults, setFaults } from './clerk.mjs';
import { engines, missing } from './engines.mjs';
import { launch as launchFirefox } from './firefox.mjs';
import { Page } from './page.mjs';
import { until } from './wait.mjs';
import { launch as launchWebKit } from './webkit.mjs';

const LAUNCH = { Firefox: launchFirefox, WebKitGTK: launchWebKit };
const START_LIMIT = { timeout: 90_000 };
const TEST_LIMIT = { timeout: 60_000 };

/** How long the wait lasts before the screen says that the session is still loading. */
const BOUND_MS = 10_000;
/** From the click to the dashboard, or to the screen after the bound. */
const WAIT_LIMIT_MS = BOUND_MS + 5_000;
/** How soon the screen notices the claim, plus a margin for slow machines. */
const NOTICE_LIMIT_MS = 3_000 + 2_000;

for (const engine of engines) {
  const gaps = missing(engine);
  if (gaps.length === 0) describe(engine.name, () => mainPath(LAUNCH[engine.name]));
  else reportMissing(engine, gaps);
}

/** Fails with what is missing; skips only if BROWSERS_OPTIONAL is set. */
function reportMissing({ name }, gaps) {
  for (const gap of gaps) console.log(gap);
  const skip = process.env.BROWSERS_OPTIONAL === '1' && gaps.join('; ');
  test(name, { skip }, () => assert.fail(gaps.join('; ')));
}

function mainPath(launch) {
  /** @type {App} */
  let app;
  let browser;
  /** @type {Page} */
  let page;

  before(async () => {
    app = await App.start();
    browser = await launch();
  }, START_LIMIT);
  after(async () => {
    await browser?.close();
    await app?.dispose();
  });
  afterEach(() => resetFaults(app));

  /** A test with its own window. On failure, the message includes what the page showed. */
  function walk(title, body) {
    test(title, TEST_LIMIT, async () => {
      page = new Page(await browser.window());
      try {
        await body();
        assert.deepEqual(await page.problems(), []);
      } catch (error) {
        error.message += `\n${await page.describe()}`;
        throw error;
      } finally {
        await page.close();
      }
    });
  }

  walk('a new user signs up, creates an organization, reaches the dashboard, and signs out', async () => {
    await signUp();
    await create(newOrganization());
    await expectAt('/dashboard', WAIT_LIMIT_MS);
    await signOut();
  });

  walk('the wait covers a claim that is a second late', async () => {
    await signUp();
    await create(newOrganization(), { metadata_delay_ms: 1_000 });
    await expectAt('/dashboard', WAIT_LIMIT_MS);
  });

  walk('a claim later than the bound opens the dashboard when it comes', async () => {
    const delay = 15_000;
    await signUp();
    await create(newOrganization(), { metadata_delay_ms: delay });
    const pressed = Date.now();
    await page.see('h1', 'Session still loading', WAIT_LIMIT_MS);
    assert.ok(Date.now() - pressed > BOUND_MS - 1_000, 'it gave up before the bound');
    await expectAt('/token-pending');
    await expectAt('/dashboard', pressed + delay + NOTICE_LIMIT_MS - Date.now());
  });

  let organization;

  function newOrganization() {
    const id = randomBytes(4).toString('hex');
    organization = { name: `Blue Harbor ${id}`, slug: `blue-harbor-${id}` };
    return organization;
  }

  async function signUp() {
    const id = randomBytes(4).toString('hex');
    const email = `ada-${id}@example.com`;
    await page.goto(`${app.origin}/sign-up`);
    await page.type('input[name=emailAddress]', email);
    await page.type('input[name=password]', `correct horse ${id}\n`);
    // The card takes the focus when it is ready, and submits after the sixth digit.
    const code = 'input[autocomplete=one-time-code]';
    await page.see(code);
    await until('the focus in the code field', () => page.evaluate((css) => document.activeElement?.matches(css), code));
    await page.type(code, await codeFor(app, email));
    await expectAt('/onboarding');
  }

  /** Fills in and submits the form. Nothing is clicked afterwards. */
  async function create({ name, slug }, settings) {
    await page.type('input[name=name]', name);
    const typed = () => page.evaluate(() => document.querySelector('input[name=slug]').value);
    await until(`the suggested address ${slug}`, async () => (await typed()) === slug);
    if (settings) await setFaults(app, settings);
    await page.click('button', 'Create organization');
  }

  async function expectAt(path, limitMs) {
    await until(`the address ${path}`, async () => (await page.path()) === path, limitMs);
    if (path === '/dashboard') await page.see('h1', organization.name);
  }

  async function signOut() {
    await page.click('summary', 'account menu');
    await page.click('button', 'Sign out');
    await expectAt('/');
    await page.see('a', 'Create your account');
    const sessions = async () => (await page.cookieNames()).filter((name) => name.startsWith('__session'));
    await until('no session cookies', async () => (await sessions()).length === 0);
  }
}
