// Error screens and the dashboard's frame: nothing steals the focus, no message names a false cause, and every message
// says what happened, whether anything was lost, and what to do.
import type { Page } from '@playwright/test';
import { accessibilityProblems } from './support/accessibility';
import { createWhile, fillIn, stillLoading } from './support/creation';
import { newOrganization, newUser, openAccountMenu } from './support/users';
import { expect, test } from './support/test';
import { Traffic } from './support/traffic';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

const CREATE = '**/api/rpc/create_organization';

test('the outage page recovers by itself and keeps the focus until then', async ({ page, context, clerk, app, expectProblem }) => {
  test.setTimeout(90_000);
  const signedIn = await clerk.inside(context);
  await app.restart();
  await clerk.setFaults({ faults: [{ path_starts_with: '/v1/jwks', status: 503, count: 1_000 }] });
  expectProblem(/\/dashboard answered 503/, [3, 20]);
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: 'We can’t check your session right now' })).toBeVisible();
  const again = page.getByRole('link', { name: 'Try again now' });
  await again.focus();
  const traffic = new Traffic(page);
  await expect.poll(() => traffic.paths().filter((path) => path === '/dashboard').length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
  await expect(again).toBeFocused();
  expect(traffic.documents()).toEqual([]);
  expect(await accessibilityProblems(page)).toEqual([]);
  await clerk.resetFaults();
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible({ timeout: 15_000 });
});

test('when the connection is lost while creating, the form says that it does not know, and the button works again', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  const creation = await fillIn(page);
  expectProblem(/ERR_FAILED/);
  // The request arrives, its response does not.
  await page.route(CREATE, async (route) => {
    await route.fetch();
    await route.abort('failed');
  }, { times: 1 });
  await page.getByRole('button', { name: 'Create organization' }).click();
  const alert = page.getByRole('alert').filter({ hasText: 'organization' });
  await expect(alert).toHaveText(/^We don’t know yet whether your organization was created\. The connection was lost before the answer came\. What you typed is still here\..*It can’t be created twice\.$/);
  await expect(page.getByLabel('Organization name')).toHaveValue(creation.organization.name);
  expect(await accessibilityProblems(page)).toEqual([]);
  await page.getByRole('button', { name: 'Create organization' }).click();
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: creation.organization.name })).toBeVisible();
});

test('a response that is not ours is reported as unreadable', async ({ page, context, clerk, expectProblem }) => {
  await clerk.signedIn(context);
  await fillIn(page);
  expectProblem(/create_organization answered 500/);
  await page.route(CREATE, (route) => route.fulfill({ status: 500, body: '<h1>Bad gateway</h1>', contentType: 'text/html' }));
  await page.getByRole('button', { name: 'Create organization' }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'organization' })).toHaveText(
    /^We don’t know yet whether your organization was created\. This site’s answer could not be read\. What you typed is still here\./,
  );
});

test('a taken address comes with two available ones, and choosing one is enough', async ({ page, context, clerk, visitor }) => {
  const { organization: taken } = await clerk.inside((await visitor()).context());
  await clerk.signedIn(context);
  await page.goto('/onboarding');
  await page.getByLabel('Organization name').fill('Blue Harbor');
  await page.getByLabel('Web address').fill(taken.slug);
  await expect(page.getByRole('alert').filter({ hasText: 'taken' })).toHaveText('This address is taken. Choose another one.');
  const offers = page.getByRole('link', { name: taken.slug });
  await expect(offers).toHaveText([`${taken.slug}-hq`, `${taken.slug}-team`]);
  expect(await accessibilityProblems(page)).toEqual([]);
  await offers.nth(1).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Web address')).toHaveValue(`${taken.slug}-team`);
  await expect(page.getByLabel('Web address')).toBeFocused();
  await expect(page.getByText('This address is available.')).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByText(`${taken.slug}-team`)).toBeVisible();
});

test('a name in any script suggests an address or explains why not, and an empty address follows the name', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  await page.goto('/onboarding');
  const [name, slug] = [page.getByLabel('Organization name'), page.getByLabel('Web address')];
  for (const [typed, address] of [['Mu\u0308ller', 'muller'], ['Müller So\u0308hne', 'muller-sohne'], ['Căn Hộ', 'can-ho'], ['ＡＢＣ', 'abc']]) {
    await name.fill(typed);
    await expect(slug).toHaveValue(address);
  }
  await name.fill('株式会社');
  await expect(slug).toHaveValue('');
  await expect(slug).toHaveAccessibleDescription(/We can’t make a web address from this name\. Type one in the letters a to z/);
  for (const [typed, why] of [['\u3164\u3164', /invisible character \(U\+3164\)/], ['Ac\u034fme', /invisible character \(U\+034F\)/], [`A${'\u0301'.repeat(79)}`, /too many accents on one letter/]] as const) {
    await name.fill(typed);
    await slug.fill('fine-one');
    await name.press('Enter');
    await expect(name).toHaveAccessibleDescription(why);
  }
});

test('the form focuses its first field and names the account', async ({ page, context, clerk }) => {
  const { user } = await clerk.signedIn(context);
  await page.goto('/onboarding');
  await expect(page.getByLabel('Organization name')).toBeFocused();
  await expect(page.getByText(`Signed in as ${user.email}`)).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/?signed-out=1');
  await expect(page.getByRole('status')).toHaveText('You’re signed out.');
  expect(await accessibilityProblems(page)).toEqual([]);
});

test('the account menu closes on Escape, a click elsewhere and a choice, and returns the focus', async ({ page, context, clerk }) => {
  await clerk.inside(context);
  await page.goto('/dashboard');
  const menu = page.locator('details.menu');
  const summary = menu.locator('summary');
  await summary.focus();
  await page.keyboard.press('Enter');
  await expect(menu).toHaveAttribute('open');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
  await expect(menu).not.toHaveAttribute('open');
  await expect(summary).toBeFocused();

  await openAccountMenu(page);
  await page.getByRole('heading', { level: 1 }).click();
  await expect(menu).not.toHaveAttribute('open');

  await openAccountMenu(page);
  await page.getByRole('button', { name: 'Manage account' }).click();
  await expect(page.getByRole('dialog')).toContainText('Profile details');
  await expect(menu).not.toHaveAttribute('open');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(summary).toBeFocused();
});

test('“Manage account” reports loading and failure, and can be retried', async ({ page, context, clerk, expectProblem }) => {
  await clerk.inside(context);
  expectProblem(/ui\.browser\.js failed/, [1, 3]);
  let release = () => {};
  const held = new Promise<void>((done) => (release = done));
  await page.route('**/ui.browser.js', async (route) => {
    await held;
    await route.abort('failed');
  });
  await page.goto('/dashboard');
  await openAccountMenu(page);
  await page.getByRole('button', { name: 'Manage account' }).click();
  const status = page.locator('.menu').getByRole('status');
  await expect(status).toHaveText('Loading your account…');
  release();
  await expect(status).toHaveText('Your account can’t be shown: the sign-in service didn’t load. Nothing was changed. Try again.');
  expect(await accessibilityProblems(page, ['#clerk-components'])).toEqual([]);
  await page.unroute('**/ui.browser.js');
  await page.getByRole('button', { name: 'Manage account' }).click();
  await expect(page.getByRole('dialog')).toContainText('Profile details');
});

test('a user without a name is asked for one, and their address is shown once', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await clerk.changeUser(signedIn.userId, { first_name: '', last_name: '' });
  await expect(async () => {
    await page.goto('/dashboard');
    await expect(page.getByText('Add your name, so that your team recognizes you.')).toBeVisible({ timeout: 500 });
  }).toPass({ timeout: 10_000 });
  const { email } = signedIn.user;
  await expect(page.getByRole('main').getByText(email)).toHaveCount(1);
  // From the part before the @.
  await expect(page.locator('.menu .sign')).toHaveText('A' + email.split('-')[1][0].toUpperCase());
  await page.getByRole('button', { name: 'Add your name' }).click();
  await expect(page.getByRole('dialog')).toContainText('Profile details');
});

test.describe('in New York', () => {
  test.use({ timezoneId: 'America/New_York' });
  test('times are in the browser’s time zone, and long names stay in their card on the smallest phone', async ({ page, context, clerk }) => {
    await page.setViewportSize({ width: 320, height: 640 });
    const signedIn = await clerk.signedIn(context);
    await clerk.changeUser(signedIn.userId, { first_name: 'Donaudampfschifffahrtskapitaensfrau', last_name: '' });
    await clerk.createOrganization(signedIn, { ...newOrganization(), name: 'W'.repeat(34) });
    await page.goto('/dashboard');
    const created = page.locator('dd time');
    const at = new Date((await created.getAttribute('datetime'))!);
    const local = new Intl.DateTimeFormat('en-US', { dateStyle: 'long', timeStyle: 'short', timeZone: 'America/New_York' }).format(at);
    await expect(created).toHaveText(local);
    const outside = await page.evaluate(() =>
      [...document.querySelectorAll('.panel *')].filter((element) => {
        const [card, box] = [element.closest('.panel')!.getBoundingClientRect(), element.getBoundingClientRect()];
        return box.width > 0 && (box.right > card.right + 1 || box.left < card.left - 1 || element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline');
      }).map((element) => `${element.tagName} ${element.textContent}`),
    );
    expect(outside).toEqual([]);
  });
});

/** The contrast ratio of two colors (WCAG 2.2). */
function contrast(one: number[], other: number[]): number {
  const luminance = (color: number[]) => {
    const [r, g, b] = color.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

async function codeStep(page: Page) {
  const user = newUser();
  await page.goto('/sign-up');
  await page.locator('input[name=emailAddress]').fill(user.email);
  await page.locator('input[name=password]').fill(user.password);
  await page.locator('input[name=password]').press('Enter');
  await expect(page.locator('input[autocomplete=one-time-code]')).toBeVisible();
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`the code step has one heading and visible boxes, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    await codeStep(page);
    await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1);
    const boxes = page.locator('.cl-otpCodeFieldInput');
    await expect(boxes).toHaveCount(6);
    const colors = await boxes.last().evaluate((box) => {
      const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
      const rgb = (color: string) => {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
      };
      return [rgb(getComputedStyle(document.querySelector('.door')!).backgroundColor), rgb(getComputedStyle(box).borderTopColor), getComputedStyle(box).borderTopWidth] as const;
    });
    expect(colors[2]).toBe('1px');
    expect(contrast(colors[0], colors[1])).toBeGreaterThanOrEqual(3);
    // Axe checks our nodes around Clerk's.
    expect(await accessibilityProblems(page, ['#clerk-form', '#clerk-components'])).toEqual([]);
    await page.emulateMedia({ colorScheme, forcedColors: 'active' });
    expect(await boxes.last().evaluate((box) => getComputedStyle(box).borderTopStyle)).toBe('solid');
  });
}

test('a slow phone on a slow network sees no false cause and reaches the dashboard by itself', async ({ page, context, clerk }) => {
  test.setTimeout(180_000);
  const signedIn = await clerk.signedIn(context);
  await page.goto('/');
  const origin = new URL(page.url()).origin;
  await clerk.setFaults({ metadata_delay_ms: 20_000 });
  await context.request.post('/api/organizations/create', { headers: { origin }, data: newOrganization() });
  await signedIn.renew();
  const shown: string[] = [];
  await page.exposeFunction('shown', (text: string) => void shown.push(text));
  await page.addInitScript(() => {
    const report = () => (window as unknown as { shown: (text: string) => void }).shown(document.querySelector('main')?.innerText ?? '');
    addEventListener('DOMContentLoaded', () => {
      report();
      new MutationObserver(report).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    });
  });
  // "Slow 3G" as in browsers' developer tools, and a sixth of this processor's speed.
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 2_000, downloadThroughput: 50_000, uploadThroughput: 50_000 });
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 6 });
  await page.goto('/dashboard', { timeout: 60_000 });
  await page.waitForURL('/dashboard', { timeout: 100_000, waitUntil: 'commit' });
  const causes = shown.join('\n');
  expect(causes).toContain('session');
  expect(causes).not.toMatch(/no usable answer|is down|blocks it|can’t reach|did not keep|doesn’t run/);
});

test('a screen reader hears the wait and its end in order, without repetitions', async ({ page, context, clerk }) => {
  test.setTimeout(150_000);
  await clerk.signedIn(context);
  const announced: string[] = [];
  await page.exposeFunction('announced', (text: string) => {
    if (text && text !== announced.at(-1)) announced.push(text);
  });
  await page.addInitScript(() => {
    const report = (window as unknown as { announced: (text: string) => void }).announced;
    addEventListener('DOMContentLoaded', () => {
      const visible = (element: Element) => (element as HTMLElement).checkVisibility();
      const look = () => {
        for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live]')) if (visible(region)) report(region.textContent!.trim());
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['hidden', 'data-wasm'] });
    });
  });
  await createWhile({ metadata_delay_ms: null }, page, clerk);
  await expect(stillLoading(page)).toBeVisible({ timeout: 15_000 });
  await expect(page.getByText('We’ve stopped checking.')).toBeVisible({ timeout: 80_000 });
  expect(announced.slice(announced.indexOf('This address is available.') + 1)).toEqual([
    'Step 3 of 4: refreshing your session. This usually takes a second or two.',
    'Step 3 of 4: your session takes longer to refresh than usual. We keep trying.',
    'We’ve stopped checking. Nothing is lost: open the dashboard, or try again.',
  ]);
});
