// What a user reads within five seconds when a part is missing, for each page and condition; the table is conditions.md
// (UPDATE_CONDITIONS=1 writes it). No cell may be a spinner. Then the whole way in, without each part that can be
// missing.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type BrowserContext, type Page } from '@playwright/test';
import { line } from './conformance/support/markdown';
import { accessibilityProblems } from './support/accessibility';
import type { App } from './support/app.mjs';
import type { Clerk } from './support/clerk';
import { chromiumFlags, systemChromium } from './support/find-chromium.mjs';
import { newOrganization, openAccountMenu } from './support/users';
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

/** How long a page may take to say what is wrong. */
const SAID_MS = 5_000;

/** A browser in which something is missing. */
interface Condition {
  options?: { javaScriptEnabled?: boolean };
  /** A separate browser, with these flags or without cookies. */
  launch?: { flags?: string[]; cookies?: false };
  set?: (context: BrowserContext) => Promise<void>;
}

const abort = (pattern: RegExp) => (context: BrowserContext) => context.route(pattern, (route) => route.abort('blockedbyclient'));
/** Like a filter that inspects a request and never finishes. */
const hang = (pattern: RegExp) => (context: BrowserContext) => context.route(pattern, () => {});

const CONDITIONS: Record<string, Condition> = {
  'WebAssembly blocked': { set: abort(/\.wasm$/) },
  'WebAssembly not there': { launch: { flags: ['--js-flags=--jitless'] } },
  'WebAssembly never comes': { set: hang(/\.wasm$/) },
  'cookies blocked': { launch: { cookies: false } },
  'clerk-js blocked': { set: abort(/\/clerk-js@/) },
  'Clerk’s interface blocked': { set: abort(/\/clerk\/ui@/) },
  'Clerk’s API blocked': { set: abort(/\/__clerk\//) },
  'scripts off': { options: { javaScriptEnabled: false } },
};

const FORM = 'Clerk’s form';
const NO_SCRIPT = 'This form needs JavaScript. Nothing was sent. Allow JavaScript for this site, then reload the page.';
const NOT_LOADED = 'The sign-in form could not be loaded. Nothing was sent. The sign-in service is down, or an extension, a filter or your network blocks it.';
const NO_COOKIES = 'Your browser blocks the cookies of this site. Signing in needs them. Nothing was sent. Allow cookies for this site, then try again.';
const NO_WASM = 'Your browser doesn’t run the interactive part of this page (WebAssembly). The form works without it: the web address is checked when you press the button.';
const LATE = 'This page is still loading. You don’t have to wait for it: the form works already.';
const PENDING_LATE = 'This page is still loading. You don’t have to wait for it: see what we know. That page needs less.';
const CHECKING = 'This page keeps checking for a minute, and opens by itself.';
const NO_ACCOUNT = 'Your account can’t be shown: the sign-in service didn’t load. Nothing was changed. Try again.';
const TO_SIGN_IN = `leads to sign-in: ${NO_COOKIES}`;

/** What each page must show under each condition: a sentence on it, or one of the descriptions above. */
const EXPECTED: Record<string, Record<string, string>> = {
  '/sign-in': {
    'WebAssembly blocked': FORM,
    'WebAssembly not there': FORM,
    'WebAssembly never comes': FORM,
    'cookies blocked': NO_COOKIES,
    'clerk-js blocked': NOT_LOADED,
    'Clerk’s interface blocked': NOT_LOADED,
    'scripts off': NO_SCRIPT,
  },
  '/onboarding': {
    'WebAssembly blocked': NO_WASM,
    'WebAssembly not there': NO_WASM,
    'WebAssembly never comes': LATE,
    'cookies blocked': TO_SIGN_IN,
    'clerk-js blocked': 'It’s your team’s shared workspace. You become its owner.',
    'Clerk’s interface blocked': 'It’s your team’s shared workspace. You become its owner.',
    'scripts off': 'It’s your team’s shared workspace. You become its owner.',
  },
  '/token-pending': {
    'WebAssembly blocked': CHECKING,
    'WebAssembly not there': CHECKING,
    'WebAssembly never comes': PENDING_LATE,
    'cookies blocked': TO_SIGN_IN,
    'clerk-js blocked': 'Cause: your browser could not load the sign-in service’s script. An extension, a filter or your network blocks it, or your connection is too slow for it.',
    'Clerk’s interface blocked': CHECKING,
    'Clerk’s API blocked': 'Still loading the sign-in service. This takes longer than usual.',
    'scripts off': CHECKING,
  },
  '/dashboard, Manage account': {
    'WebAssembly blocked': 'Profile details',
    'WebAssembly not there': 'Profile details',
    'WebAssembly never comes': 'Profile details',
    'cookies blocked': TO_SIGN_IN,
    'clerk-js blocked': NO_ACCOUNT,
    'Clerk’s interface blocked': NO_ACCOUNT,
    'scripts off': 'the menu, with “Sign out” only',
  },
};

/** Opens a browser in which something is missing, and closes it afterwards. */
async function under(condition: Condition, app: App, use: (page: Page) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vestibule-conditions-'));
  if (condition.launch?.cookies === false) {
    mkdirSync(join(folder, 'Default'));
    const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
    writeFileSync(join(folder, 'Default/Preferences'), JSON.stringify(preferences));
  }
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: systemChromium(),
    args: [...chromiumFlags, ...(condition.launch?.flags ?? [])],
    baseURL: app.origin,
    locale: 'en-US',
    ...condition.options,
  });
  try {
    await condition.set?.(context);
    await use(await context.newPage());
  } finally {
    await context.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** Opens the page as a user who may see it, and does there what the row says. */
async function open(path: string, page: Page, clerk: Clerk, cookies: boolean): Promise<void> {
  const context = page.context();
  if (path === '/onboarding' && cookies) await clerk.signedIn(context);
  if (path === '/token-pending' || path.startsWith('/dashboard')) {
    if (cookies) {
      const signedIn = await clerk.inside(context);
      if (path === '/token-pending') {
        await clerk.forgetOrganization(signedIn);
        await signedIn.renew();
      }
    }
    await page.goto('/dashboard');
    if (path === '/token-pending' || !cookies) return;
    await openAccountMenu(page);
    const manage = page.getByRole('button', { name: 'Manage account' });
    if (await manage.isVisible()) await manage.click();
    return;
  }
  await page.goto(path);
}

const rows: string[] = [];

for (const [path, expected] of Object.entries(EXPECTED)) {
  for (const [condition, text] of Object.entries(expected)) {
    test(`${path}, ${condition}`, async ({ app, clerk }) => {
      test.setTimeout(60_000);
      const what = CONDITIONS[condition];
      await under(what, app, async (page) => {
        await open(path, page, clerk, what.launch?.cookies !== false);
        const within = { timeout: SAID_MS + 3_000 };
        if (text === FORM) await expect(page.locator('input[name=identifier]')).toBeVisible(within);
        else if (text === TO_SIGN_IN) await expect(page.getByRole('main')).toContainText(NO_COOKIES, { ...within, useInnerText: true });
        else if (text.startsWith('the menu')) await expect(page.locator('.menu-panel').getByRole('button')).toHaveText(['Sign out']);
        else if (text === 'Profile details') await expect(page.getByRole('dialog')).toContainText(text, within);
        else await expect(page.locator('body')).toContainText(text, { ...within, useInnerText: true });
        // Words, not a spinner.
        if (!/still loading/i.test(text)) await expect(page.locator('.spinner:visible, .skeleton:visible')).toHaveCount(0);
        // States that no other test runs axe on.
        if ([NO_COOKIES, LATE].includes(text)) expect(await accessibilityProblems(page, ['#clerk-form'])).toEqual([]);
        rows.push(line(path, condition, text));
      });
    });
  }
}

test('conditions.md matches the rows', () => {
  const file = fileURLToPath(new URL('../conditions.md', import.meta.url));
  const all = Object.entries(EXPECTED).flatMap(([path, cells]) => Object.entries(cells).map(([condition, text]) => line(path, condition, text)));
  // If only some rows ran, only those are compared.
  for (const row of rows) expect(all).toContain(row);
  const text = `# What a page says when a part is missing

Each row is a test in [\`tests/conditions.spec.ts\`](tests/conditions.spec.ts), which waits for these words for five seconds, and for three more
on a busy machine. The tests write this file (\`UPDATE_CONDITIONS=1\`) and compare it in every other run. “Never comes” is a filter that holds a file back without an answer.

| page | condition | what the user reads within five seconds |
|---|---|---|
${all.join('\n')}
`;
  if (process.env.UPDATE_CONDITIONS) writeFileSync(file, text);
  expect(readFileSync(file, 'utf8')).toBe(text);
});

/** Parts without which the way in must still work, to its end and without a further click. */
for (const condition of ['WebAssembly blocked', 'WebAssembly not there', 'clerk-js blocked', 'Clerk’s interface blocked', 'scripts off']) {
  test(`the way in, ${condition}: from the form to the dashboard, with the claim 1 s late`, async ({ app, clerk }) => {
    test.setTimeout(90_000);
    await under(CONDITIONS[condition], app, async (page) => {
      await clerk.signedIn(page.context());
      const organization = newOrganization();
      await page.goto('/onboarding');
      await page.getByLabel('Organization name').fill(organization.name);
      await clerk.setFaults({ metadata_delay_ms: 1_000 });
      // The address stays empty: it follows from the name.
      await page.getByRole('button', { name: 'Create organization' }).click();
      await expect(page).toHaveURL('/dashboard', { timeout: 30_000 });
      await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
      await expect(page.getByText(organization.slug)).toBeVisible();
    });
  });
}

/** Wraps each text in elements, as browsers do when they translate a page. */
async function translate(page: Page): Promise<void> {
  await page.evaluate(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, (node) =>
      node.textContent?.trim() && !['SCRIPT', 'STYLE', 'NOSCRIPT', 'FONT'].includes(node.parentElement!.tagName) ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_REJECT,
    );
    const texts: Text[] = [];
    while (walker.nextNode()) texts.push(walker.currentNode as Text);
    for (const text of texts) {
      const [outer, inner] = [document.createElement('font'), document.createElement('font')];
      // A new text node, as a translation is another text.
      inner.append(`${text.data}`);
      outer.append(inner);
      text.replaceWith(outer);
    }
  });
}

for (const when of ['before it wakes', 'after it woke'] as const) {
  test(`a page that is translated ${when} keeps working`, async ({ page, context, clerk }) => {
    await clerk.signedIn(context);
    const organization = newOrganization();
    let release = () => {};
    if (when === 'before it wakes') {
      const held = new Promise<void>((done) => (release = done));
      await page.route('**/*.wasm', async (route) => {
        await held;
        await route.continue();
      });
    }
    await page.goto('/onboarding');
    const awake = () => page.waitForSelector('html[data-wasm=awake]');
    if (when === 'after it woke') await awake();
    await translate(page);
    release();
    await awake();
    await page.getByLabel('Organization name').fill(organization.name);
    await expect(page.getByText('This address is available.')).toBeVisible();
    await expect(page.locator('.slug-preview')).toContainText(organization.slug);
    await page.getByLabel('Web address').fill('No Good');
    await expect(page.locator('#slug-error')).toHaveText('Use lowercase letters only.');
    await translate(page);
    await page.getByLabel('Web address').fill(organization.slug);
    await expect(page.locator('#slug-error')).toBeHidden();
    await expect(page.getByText('This address is available.')).toBeVisible();
    await page.getByRole('button', { name: 'Create organization' }).click();
    await expect(page).toHaveURL('/dashboard');
    await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  });
}
