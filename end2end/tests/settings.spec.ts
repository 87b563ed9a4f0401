// Settings: owners and admins rename their organization, by keyboard alone and without JavaScript too; members read.
import type { Locator, Page } from '@playwright/test';
import { WAIT_LIMIT } from './support/creation';
import { expectAccessible, expectFits, keepPicture } from './support/screens';
import { signInByPassword, unique } from './support/users';
import { expect, test } from './support/test';

const field = (page: Page) => page.getByLabel('Organization name');
const save = (page: Page) => page.getByRole('button', { name: 'Save' });
const said = (page: Page, text: string) => page.getByRole('status').filter({ hasText: text });
const link = (page: Page, name: string) => page.getByRole('navigation', { name: 'Organization' }).getByRole('link', { name });

/** The smallest phones, and a desktop. */
const WIDTHS = [[360, 'narrow'], [1280, 'wide']] as const;

/** A name that no other test uses, with letters that addresses encode. */
const newName = () => `Größe & Söhne ${unique()}`;

/** Moves the focus with the Tab key until it is there. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let presses = 0; presses < 20; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  await expect(target).toBeFocused();
}

async function expectSaved(page: Page, name: string): Promise<void> {
  await expect(page).toHaveURL('/settings?saved=1');
  await expect(said(page, 'Saved.')).toContainText(name);
  await expect(field(page)).toHaveValue(name);
  await expect(page.getByRole('banner')).toContainText(name);
}

test('an owner signs in, follows the link to the settings and renames the organization by keyboard alone', async ({ page, clerk, visitor }) => {
  const { user, organization } = await clerk.inside((await visitor()).context());
  await signInByPassword(page, user);
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  await expect(link(page, 'Dashboard')).toHaveAttribute('aria-current', 'page');

  await tabTo(page, link(page, 'Settings'));
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL('/settings');
  await expect(page.getByRole('heading', { name: 'Settings', level: 1 })).toBeVisible();
  await expect(link(page, 'Settings')).toHaveAttribute('aria-current', 'page');
  await expect(field(page)).toHaveValue(organization.name);

  const name = newName();
  await tabTo(page, field(page));
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type(name);
  await tabTo(page, save(page));
  await page.keyboard.press('Enter');
  await expectSaved(page, name);

  await link(page, 'Dashboard').click();
  await expect(page.getByRole('heading', { name })).toBeVisible();
  // The web address stays as it was, and leads here.
  await link(page, 'Settings').click();
  await expect(said(page, 'Saved.')).toHaveCount(0);
  await page.getByRole('link', { name: `/o/${organization.slug}` }).click();
  await expect(page).toHaveURL(`/o/${organization.slug}`);
  await expect(page.getByRole('heading', { name })).toBeVisible();
});

test('an organization of others has no address', async ({ page, context, clerk, visitor, expectProblem }) => {
  const { organization } = await clerk.inside((await visitor()).context());
  await clerk.inside(context);
  const addresses = [`/o/${organization.slug}`, `/o/none-${organization.slug}`];
  expectProblem(/\/o\/.* answered 404/, addresses.length);
  for (const address of addresses) {
    await page.goto(address);
    await expect(page.getByRole('heading', { name: 'Page not found' })).toBeVisible();
    await expect(page.getByText(organization.name)).toHaveCount(0);
  }
});

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? 'with' : 'without';

  test(`${how} JavaScript an invalid name is explained and kept, and a valid one is saved`, async ({ clerk, visitor, expectProblem }) => {
    const page = await visitor({ javaScriptEnabled });
    const { organization } = await clerk.inside(page.context());
    const mistakes = [['', /Enter a name/], ['🚀', /at least one letter or number/]] as const;
    expectProblem(/POST .*\/settings answered 422/, mistakes.length);
    await page.goto('/settings');
    for (const [typed, words] of mistakes) {
      await field(page).fill(typed);
      await field(page).press('Enter');
      await expect(field(page)).toHaveAccessibleDescription(words);
      await expect(field(page)).toHaveAttribute('aria-invalid', 'true');
      await expect(page.getByRole('alert')).toHaveText(words);
      await expect(field(page)).toHaveValue(typed);
      await expect(field(page)).toBeFocused();
      await expect(page.getByRole('banner')).toContainText(organization.name);
    }
    const name = newName();
    await field(page).fill(name);
    await save(page).click();
    await expectSaved(page, name);
    await expect(page.getByRole('alert')).toHaveCount(0);
  });

  test(`${how} JavaScript what was typed survives a session that has to be renewed`, async ({ clerk, visitor }) => {
    const page = await visitor({ javaScriptEnabled });
    const signedIn = await clerk.inside(page.context());
    await page.goto('/settings');
    await signedIn.loseToken();
    const name = newName();
    await field(page).fill(name);
    await save(page).click();
    await expect(page).toHaveURL(/\/settings\?name=.*&renewed=1$/);
    await expect(said(page, 'Not saved yet.')).toBeVisible();
    await expect(field(page)).toHaveValue(name);
    await expect(page.getByRole('banner')).toContainText(signedIn.organization.name);
    await save(page).click();
    await expectSaved(page, name);
  });
}

test('a member reads, and is refused if they send the form anyway', async ({ page, context, app, clerk, visitor }) => {
  const { organization } = await clerk.inside((await visitor()).context());
  const { user } = await clerk.signedIn(context);
  await app.command('invite', '--email', user.email, '--organization', organization.slug, '--role', 'member');
  await page.goto('/dashboard');
  await expect(page.getByRole('banner')).toContainText(organization.name, WAIT_LIMIT);
  await page.goto('/settings');
  await expect(page.getByText('Owners and admins can change the name.')).toBeVisible(WAIT_LIMIT);
  await expect(page.getByRole('region', { name: 'Organization' })).toContainText(organization.name);
  await expect(field(page)).toHaveCount(0);
  await expect(save(page)).toHaveCount(0);
  for (const [width, device] of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    await expectFits(page);
    await expectAccessible(page);
    await keepPicture(page, `settings-member-${device}-dark`);
  }

  const { origin } = app;
  const answer = await context.request.post(`${origin}/settings`, { headers: { origin }, form: { name: 'Mine' } });
  expect(answer.status()).toBe(403);
  expect(await answer.text()).toContain('Only owners and admins can');
  await page.reload();
  await expect(page.getByRole('banner')).toContainText(organization.name);
});

for (const [width, device] of WIDTHS) {
  test(`axe finds nothing on the settings, and nothing overflows, on a ${device} screen`, async ({ page, context, clerk, expectProblem }) => {
    test.setTimeout(60_000);
    expectProblem(/POST .*\/settings answered 422/);
    await page.setViewportSize({ width, height: 800 });
    const signedIn = await clerk.signedIn(context);
    // The longest possible name and address, one word each.
    const organization = { name: 'W'.repeat(80), slug: `${'w'.repeat(39)}-${unique()}` };
    await clerk.createOrganization(signedIn, organization);
    const look = async (state: string) => {
      await expectFits(page);
      await expectAccessible(page);
      await keepPicture(page, `settings-${state}-${device}-dark`);
      await page.emulateMedia({ colorScheme: 'light' });
      await keepPicture(page, `settings-${state}-${device}-light`);
    };

    await page.goto('/settings');
    await expect(field(page)).toHaveValue(organization.name);
    await look('plain');
    const name = 'M'.repeat(80);
    await field(page).fill(name);
    await save(page).click();
    await expectSaved(page, name);
    await look('saved');
    await field(page).fill('-'.repeat(80));
    await save(page).click();
    await expect(page.getByRole('alert')).toBeVisible();
    await look('invalid');
    await signedIn.loseToken();
    await field(page).fill(name);
    await save(page).click();
    await expect(said(page, 'Not saved yet.')).toBeVisible();
    await look('not-yet-saved');
  });
}
