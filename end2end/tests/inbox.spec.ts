// The page where e-mail codes appear in development, as a user sees it. Only the emulator runs: no app, no database.
import { expect, test, type Browser, type BrowserContextOptions, type Locator, type Page } from '@playwright/test';
import { accessibilityProblems } from './support/accessibility';
import { Emulator } from './support/emulator.mjs';
import { unique } from './support/users';
import { Problems } from './support/problems';

/** The page renews itself every three seconds. */
const RENEWED = { timeout: 8_000 };
const LONG = `${'a-very-long-name-'.repeat(3)}@${'a-very-long-domain-'.repeat(3)}.example.test`;

let emulator: Emulator;

test.beforeEach(async () => {
  emulator = await Emulator.start();
});

test.afterEach(async () => emulator?.stop());

test('codes come by themselves, are copied by keyboard, and the focus stays', async ({ browser }) => {
  await visit(browser, { permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await expect(page.getByText('No e-mail yet.')).toBeVisible();
    await expect(page.getByText('This page updates by itself.')).toBeVisible();
    await expect(page.getByRole('table')).toBeHidden();
    await page.evaluate(() => Object.assign(window, { loadedOnce: true }));

    const email = await sendCode();
    const row = rowOf(page, email);
    await expect(row).toBeVisible(RENEWED);
    await expect(page.getByText('No e-mail yet.')).toBeHidden();
    const { code, at } = (await mails())[0];
    await expect(page.getByRole('status')).toHaveText(`New code ${code} for ${email}`);
    await expect(row.getByRole('rowheader')).toHaveText(code);
    const time = row.locator('time');
    await expect(time).toHaveAttribute('datetime', at);
    await expect(time).toHaveText(await page.evaluate(local, at));

    const copy = row.getByRole('button', { name: `Copy ${code}` });
    await page.getByRole('link', { name: 'Control' }).focus();
    await page.keyboard.press('Tab');
    await expect(copy).toBeFocused();
    for (const key of ['Enter', 'Space']) {
      await page.evaluate(() => navigator.clipboard.writeText('something else'));
      await page.keyboard.press(key);
      await expect(copy).toHaveText(/^Copied/);
      await expect(page.getByRole('status')).toHaveText(`Copied ${code}`);
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(code);
      await expect(copy).toHaveText(/^CopyCopy/);
    }

    // Another mail comes on top: the old row, its focus and the page itself stay.
    const second = await sendCode();
    await expect(rowOf(page, second)).toBeVisible(RENEWED);
    await expect(copy).toBeFocused();
    await expect(page.locator('tbody .to')).toHaveText([second, email]);
    await copy.click();
    await expect(copy).toHaveText(/^Copied/);
    await expect(page.getByRole('status')).toHaveText(`Copied ${code}`);
    expect(await page.evaluate(() => 'loadedOnce' in window)).toBe(true);
    await expect(page.locator('meta[http-equiv=refresh]')).toHaveCount(0);
  });
});

test('a browser that closes its clipboard copies what is selected, and the focus stays', async ({ browser }) => {
  await sendCode();
  const [{ code }] = await mails();
  await visit(browser, { permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await page.evaluate(() => {
      navigator.clipboard.writeText = () => Promise.reject(new Error('closed'));
    });
    const copy = page.getByRole('button', { name: `Copy ${code}` });
    await copy.press('Enter');
    await expect(copy).toHaveText(/^Copied/);
    await expect(copy).toBeFocused();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(code);
  });
});

test('a hidden page sends no requests, and catches up when it is visible', async ({ browser }) => {
  await visit(browser, {}, async (page) => {
    const show = (state: string) =>
      page.evaluate((visibilityState) => {
        Object.defineProperty(document, 'visibilityState', { configurable: true, value: visibilityState });
        document.dispatchEvent(new Event('visibilitychange'));
      }, state);
    await page.clock.install();
    await page.reload();
    await show('hidden');
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    await sendCode();
    await page.clock.runFor(60_000);
    expect(requests).toEqual([]);
    await show('visible');
    await expect(page.getByRole('row')).toHaveCount(2);
    expect(requests).toHaveLength(1);
  });
});

test('an emulator that does not answer is reported, until it answers again', async ({ browser }) => {
  await visit(browser, {}, async (page, problems) => {
    problems.expect(/inbox\?token=.* answered (500|403)/, [2, 9]);
    await page.route('**/inbox?*', (route) => route.fulfill({ status: 500 }));
    const silent = page.getByText('The emulator does not answer. This page keeps trying.');
    await expect(silent.first()).toBeVisible(RENEWED);
    await page.unroute('**/inbox?*');
    await page.route('**/inbox?*', (route) => route.fulfill({ status: 403 }));
    await expect(page.getByText('Open the one from its start-up log.').first()).toBeVisible(RENEWED);
    await sendCode();
    await page.unroute('**/inbox?*');
    await expect(page.getByRole('row')).toHaveCount(2, RENEWED);
    await expect(page.locator('.wrong')).toBeHidden();
  });
});

test('without script the page loads itself again, and has no button that does nothing', async ({ browser }) => {
  await sendCode();
  await visit(browser, { javaScriptEnabled: false }, async (page) => {
    await expect(page.getByRole('row')).toHaveCount(2);
    await expect(page.getByRole('button')).toHaveCount(0);
    await sendCode();
    await expect(page.getByRole('row')).toHaveCount(3, RENEWED);
  });
});

test('the page fits the screen and is accessible, in both colour schemes', async ({ browser }) => {
  for (const mail of [0, 1]) {
    if (mail) await sendCode(LONG);
    for (const colorScheme of ['light', 'dark'] as const) {
      await visit(browser, { colorScheme, bypassCSP: true }, async (page) => {
        await expect(page.getByRole('rowheader')).toHaveCount(mail);
        for (const width of [320, 360, 959, 960, 1280]) {
          await page.setViewportSize({ width, height: 740 });
          expect(await page.evaluate(() => document.documentElement.scrollWidth), `at ${width}`).toBeLessThanOrEqual(width);
          if (width === 360 || width === 1280) {
            expect(await accessibilityProblems(page), `at ${width}, ${colorScheme}`).toEqual([]);
          }
        }
      });
    }
  }
});

/** The inbox in a browser of its own, which must not meet a problem. */
async function visit(browser: Browser, options: BrowserContextOptions, look: (page: Page, problems: Problems) => Promise<void>) {
  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'Asia/Kolkata', ...options });
  const problems = new Problems([new URL(emulator.inboxUrl).origin]);
  problems.watch(context);
  try {
    const page = await context.newPage();
    await page.goto(emulator.inboxUrl);
    await look(page, problems);
    expect(problems.unexpected()).toEqual([]);
  } finally {
    await context.close();
  }
}

function rowOf(page: Page, email: string): Locator {
  return page.getByRole('row').filter({ hasText: email });
}

/** A user signs up as far as the code. Gives the address. */
async function sendCode(email = `ada-${unique()}@example.test`): Promise<string> {
  const cookies: string[] = [];
  const post = async (path: string, form: Record<string, string>) => {
    const response = await fetch(`${emulator.address}/v1/client/sign_ups${path}`, {
      method: 'POST',
      headers: { cookie: cookies.join('; ') },
      body: new URLSearchParams(form),
    });
    if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
    cookies.push(...response.headers.getSetCookie().map((cookie) => cookie.split(';')[0]));
    return response.json();
  };
  const { response } = await post('', { email_address: email, password: `correct horse ${unique()}` });
  await post(`/${response.id}/prepare_verification`, { strategy: 'email_code' });
  return email;
}

async function mails(): Promise<{ to: string; code: string; subject: string; at: string }[]> {
  return (await fetch(emulator.inboxUrl.replace('/inbox?', '/inbox.json?'))).json();
}

/** Evaluated in the browser: its own time zone and language. */
function local(at: string): string {
  const form = { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', second: '2-digit' } as const;
  return new Intl.DateTimeFormat(undefined, form).format(new Date(at));
}
