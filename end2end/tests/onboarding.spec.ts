// The form that creates an organization: by keyboard, with mistakes, before its island wakes, without JavaScript; and
// the wait that follows.
import type { Page } from '@playwright/test';
import { newOrganization, unique } from './support/users';
import { expect, test } from './support/test';
import { Traffic } from './support/traffic';

const field = {
  name: (page: Page) => page.getByLabel('Organization name'),
  slug: (page: Page) => page.getByLabel('Web address'),
  create: (page: Page) => page.getByRole('button', { name: 'Create organization' }),
};

/** What only the awake island does: it suggests a slug, and checks whether it is available. */
async function expectAwake(page: Page, slug: string) {
  await expect(field.slug(page)).toHaveValue(slug);
  await expect(page.getByText('This address is available.')).toBeVisible();
}

/** Holds back matching requests until they are released. */
async function hold(page: Page, what: string | RegExp): Promise<{ count: () => number; release: () => void }> {
  let release = () => {};
  const opened = new Promise<void>((done) => (release = done));
  let count = 0;
  await page.route(what, async (route) => {
    count += 1;
    await opened;
    // The page may have navigated away.
    await route.continue().catch(() => {});
  });
  return { count: () => count, release };
}

test('the form is filled in and sent with the keyboard alone', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const organization = newOrganization();
  await page.goto('/onboarding');
  const { keyboard } = page;

  // The form has the focus. Before it come the elements that start every page.
  await expect(field.name(page)).toBeFocused();
  await keyboard.press('Shift+Tab');
  await keyboard.press('Shift+Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Vestibule' })).toBeFocused();
  await keyboard.press('Shift+Tab');
  await keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();

  await keyboard.press('Tab');
  await expect(field.name(page)).toBeFocused();
  await keyboard.type(organization.name);
  await expectAwake(page, organization.slug);
  await keyboard.press('Tab');
  await expect(field.slug(page)).toBeFocused();
  await keyboard.press('Tab');
  await expect(field.create(page)).toBeFocused();
  await keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeFocused();

  await keyboard.press('Shift+Tab');
  await keyboard.press('Shift+Tab');
  await expect(field.slug(page)).toBeFocused();
  await keyboard.press('Enter');
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
});

test('mistakes are named at their fields, and the first wrong field gets the focus', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const traffic = new Traffic(page);
  const name = `Blue Harbor ${unique()}`;
  await page.goto('/onboarding');
  await field.name(page).fill('Blue');
  await expectAwake(page, 'blue');
  await field.name(page).fill('');
  await expect(field.slug(page)).toHaveValue('');
  await field.create(page).focus();
  await page.keyboard.press('Enter');

  await expect(field.name(page)).toBeFocused();
  for (const [wrong, words] of [[field.name(page), /Enter a name/], [field.slug(page), /Enter a web address/]] as const) {
    await expect(wrong).toHaveAttribute('aria-invalid', 'true');
    await expect(wrong).toHaveAccessibleDescription(words);
    await expect(page.getByText(words)).toBeVisible();
  }

  // Fixing one mistake removes its message; the other one stays.
  await field.slug(page).fill('Capital Letters');
  await field.name(page).fill(name);
  await expect(field.name(page)).not.toHaveAttribute('aria-invalid');
  await expect(field.name(page)).not.toHaveAccessibleDescription(/Enter a name/);
  await page.keyboard.press('Enter');

  await expect(field.slug(page)).toBeFocused();
  await expect(field.slug(page)).toHaveAttribute('aria-invalid', 'true');
  await expect(field.slug(page)).toHaveAccessibleDescription(/lowercase letters only/);
  await expect(field.name(page)).toHaveValue(name);
  await expect(field.slug(page)).toHaveValue('Capital Letters');
  // The form checks by itself: nothing was sent.
  expect(traffic.paths()).not.toContain('/api/rpc/create_organization');
  expect(traffic.documents()).toEqual(['GET /onboarding']);
});

test('input typed before the island wakes is kept', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const organization = newOrganization();
  const wasm = await hold(page, '**/*.wasm');
  await page.goto('/onboarding');
  await field.name(page).click();
  await page.keyboard.type(organization.name.slice(0, 4));
  await expect.poll(wasm.count).toBe(1);

  wasm.release();
  await expect(field.slug(page)).toHaveValue('blue');
  await expect(field.name(page)).toBeFocused();
  await page.keyboard.type(organization.name.slice(4));
  await expect(field.name(page)).toHaveValue(organization.name);
  await expectAwake(page, organization.slug);
});

test('a web address typed before the island wakes is kept and checked', async ({ page, context, clerk, visitor }) => {
  const { organization: taken } = await clerk.inside((await visitor()).context());
  await clerk.signedIn(context);
  const name = `Late ${unique()}`;
  const wasm = await hold(page, '**/*.wasm');
  await page.goto('/onboarding');
  await field.name(page).fill(name);
  await field.slug(page).fill(taken.slug);
  await expect.poll(wasm.count).toBe(1);

  wasm.release();
  await expect(field.slug(page)).toHaveAccessibleDescription(/taken/);
  await expect(field.slug(page)).toHaveValue(taken.slug);
  await expect(field.name(page)).toHaveValue(name);
  // A typed address does not follow the name.
  await field.name(page).press('End');
  await page.keyboard.type(' x');
  await expect(field.name(page)).toHaveValue(`${name} x`);
  await expect(field.slug(page)).toHaveValue(taken.slug);
});

test('a form submitted before the island wakes is sent', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const organization = newOrganization();
  const traffic = new Traffic(page);
  const wasm = await hold(page, '**/*.wasm');
  await page.goto('/onboarding');
  await field.name(page).fill(organization.name);
  await field.slug(page).fill(organization.slug);
  await field.create(page).click();
  await expect(page).toHaveURL(/\/token-pending\?/);
  wasm.release();

  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual([
    'GET /onboarding', 'POST /onboarding', 'GET /dashboard', 'GET /token-pending', 'GET /dashboard',
  ]);
});

test('without JavaScript the form says what is wrong, keeps the input, and creates', async ({ clerk, visitor, expectProblem }) => {
  const { organization: taken } = await clerk.inside((await visitor()).context());
  const page = await visitor({ javaScriptEnabled: false });
  const signedIn = await clerk.signedIn(page.context());
  const traffic = new Traffic(page);
  const organization = newOrganization();
  expectProblem(/POST .*\/onboarding answered 422/, 2);
  expectProblem(/POST .*\/onboarding answered 409/);
  // The page preloads a script that this browser rejects.
  expectProblem(/\/pkg\/.*\.js failed: csp/, [0, 20]);

  /** Submits the form. Returns the response's status. */
  const send = async (name: string, slug: string) => {
    await field.name(page).fill(name);
    await field.slug(page).fill(slug);
    const answer = page.waitForResponse((response) => response.request().method() === 'POST');
    await field.create(page).click();
    const status = (await answer).status();
    await page.waitForLoadState();
    return status;
  };
  const expectMistake = async (wrong: keyof typeof field, words: RegExp, name: string, slug: string) => {
    await expect(field[wrong](page)).toHaveAccessibleDescription(words);
    await expect(field[wrong](page)).toHaveAttribute('aria-invalid', 'true');
    await expect(page.getByText(words)).toBeVisible();
    await expect(field.name(page)).toHaveValue(name);
    await expect(field.slug(page)).toHaveValue(slug);
  };

  await page.goto('/onboarding');
  expect(await send('', organization.slug)).toBe(422);
  await expectMistake('name', /Enter a name/, '', organization.slug);
  expect(await send(organization.name, 'Two Words & more')).toBe(422);
  await expectMistake('slug', /lowercase letters only/, organization.name, 'Two Words & more');
  expect(await send(organization.name, taken.slug)).toBe(409);
  await expectMistake('slug', /taken/, organization.name, taken.slug);
  await expect(page.getByText('This address is taken')).toHaveCount(1);

  expect(await send(organization.name, organization.slug)).toBe(303);
  // The token-pending screen gets a newer token by Clerk's handshake, and goes on.
  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  expect(traffic.documents().slice(-6)).toEqual([
    'POST /onboarding', 'GET /dashboard', 'GET /token-pending', 'GET /__clerk/v1/client/handshake', 'GET /token-pending', 'GET /dashboard',
  ]);
});

test('the wait reports each step, and leads to the dashboard without showing the form', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const organization = newOrganization();
  const lines: string[] = [];
  const announced: string[] = [];
  page.on('console', (message) => {
    const [, from, line] = /^(vestibule|live): (.*)$/.exec(message.text()) ?? [];
    if (message.type() !== 'debug' || line === undefined) return;
    (from === 'live' ? announced : lines).push(line);
  });
  await page.goto('/onboarding');
  await field.name(page).fill(organization.name);
  await expectAwake(page, organization.slug);
  await logAnnouncements(page);

  const creation = await hold(page, '**/api/rpc/create_organization');
  const status = await hold(page, '**/api/rpc/session_status');
  const traffic = new Traffic(page);
  await field.create(page).click();

  const button = page.getByRole('button', { name: 'Creating your organization…' });
  await expect(button).toHaveAttribute('aria-busy', 'true');
  await expect(field.name(page)).toHaveAttribute('readonly');
  await expect(page.getByRole('listitem')).toHaveCount(0);
  creation.release();

  await expect.poll(status.count).toBe(1);
  await expect(page.getByRole('heading', { name: 'Organization created' })).toBeFocused();
  await expect(page.getByText('Setting up your workspace…')).toBeVisible();
  await expect(page.getByText(`${organization.name} is saved. You can close this page; nothing will be lost.`)).toBeVisible();
  await expect(field.create(page)).toBeHidden();
  await expectAtStep(page, 'Refreshing your session', /^Step 3 of 4: refreshing your session\./);
  status.release();

  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard']);
  expect(status.count()).toBe(1);
  expect(announced.map((sentence) => sentence.split('.')[0])).toEqual([
    'Step 3 of 4: refreshing your session', 'Step 4 of 4: opening your dashboard',
  ]);
  // One line for each step, and no other.
  expect(lines.map((line) => line.replace(/[0-9a-f-]{36}/, 'ID'))).toEqual([
    'creating the organization',
    'organization created: ID',
    'reloading the Clerk session to get a token with the organization',
    'session reloaded: the token names the organization',
    'asking the server how it sees the session',
    'the server agrees',
    'navigating to /dashboard',
  ]);
});

test('a slow step says so, and the next one starts over', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const organization = newOrganization();
  const announced: string[] = [];
  page.on('console', (message) => {
    if (message.text().startsWith('live: ')) announced.push(message.text().slice('live: '.length));
  });
  await page.goto('/onboarding');
  await field.name(page).fill(organization.name);
  await expectAwake(page, organization.slug);
  await logAnnouncements(page);
  await createWithDeliveryPending(page);
  const expected = [
    'Step 2 of 4: notifying the sign-in service about your organization.',
    'Step 2 of 4: the sign-in service is slow to answer. We keep trying, here for 10 seconds at most.',
    'Step 3 of 4: refreshing your session. This usually takes a second or two.',
    'Step 3 of 4: your session takes longer to refresh than usual. We keep trying.',
    'Step 4 of 4: opening your dashboard.',
    'Step 4 of 4: your dashboard takes longer to open than usual.',
  ];
  const held = [
    await hold(page, '**/api/rpc/session_status'),
    await hold(page, /\/__clerk\/v1\/client\/sessions\/[^/]+$/),
    await hold(page, '**/dashboard'),
  ];
  await field.create(page).click();
  for (const [index, call] of held.entries()) {
    // One call, pending all the time: only the words change.
    await expect.poll(() => announced).toEqual(expected.slice(0, 2 * index + 2));
    expect(call.count()).toBe(1);
    call.release();
  }
  await expect(page).toHaveURL('/dashboard');
});

test('until Clerk is notified, the wait says so and polls the server instead of Clerk', async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const organization = newOrganization();
  await page.goto('/onboarding');
  await field.name(page).fill(organization.name);
  await expectAwake(page, organization.slug);

  await createWithDeliveryPending(page);
  const status = await hold(page, '**/api/rpc/session_status');
  const traffic = new Traffic(page);
  await field.create(page).click();

  await expect.poll(status.count).toBe(1);
  await expectAtStep(page, 'Notifying the sign-in service', /^Step 2 of 4: notifying the sign-in service/);
  expect(traffic.paths().filter((path) => path.startsWith('/__clerk/'))).toEqual([]);
  status.release();

  await expect(page).toHaveURL('/dashboard');
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  expect(traffic.documents()).toEqual(['GET /dashboard']);
});

/** Makes the creation respond as if Clerk were slow. */
async function createWithDeliveryPending(page: Page) {
  await page.route('**/api/rpc/create_organization', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), delivery: 'pending' } });
  });
}

/** The list of steps and the sentence below it agree on where we are. */
async function expectAtStep(page: Page, step: string, sentence: RegExp) {
  await expect(progressNote(page)).toHaveText(sentence);
  const items = await page.getByRole('listitem').evaluateAll((elements) =>
    elements.map((element) => [element.firstElementChild?.textContent, element.getAttribute('data-state'), element.getAttribute('aria-current')]),
  );
  const at = items.findIndex(([name]) => name === step);
  const steps = ['Organization created', 'Notifying the sign-in service', 'Refreshing your session', 'Opening your dashboard'];
  expect(items).toEqual(
    steps.map((name, index) => [name, index < at ? 'done' : index === at ? 'current' : 'waiting', index === at ? 'step' : null]),
  );
}

function progressNote(page: Page) {
  return page.locator('.progress-note');
}

/** Copies the live region's announcements to the console: the page may be gone before a test can read them. */
async function logAnnouncements(page: Page) {
  await expect(progressNote(page)).toHaveAttribute('role', 'status');
  await expect(progressNote(page)).toHaveAttribute('aria-live', 'polite');
  await progressNote(page).evaluate((note) => {
    let last = '';
    new MutationObserver(() => {
      const text = note.textContent?.trim() ?? '';
      if (text !== '' && text !== last) console.debug(`live: ${text}`);
      last = text;
    }).observe(note, { childList: true, characterData: true, subtree: true });
  });
}
