// An invited user is a member right after signing up, and never sees the form that creates an organization.
import { newUser, signUp } from './support/users';
import { expect, test } from './support/test';

test('an invited user reaches the dashboard after signing up, without seeing the form', async ({ app, clerk, inbox, visitor, page }) => {
  const owner = await visitor();
  const { organization } = await clerk.inside(owner.context());
  const user = newUser();
  const invited = await app.command('invite', '--email', user.email.toUpperCase(), '--organization', organization.slug, '--role', 'admin');
  expect(invited).toContain('Invited.');

  const forms: string[] = [];
  page.on('response', async (response) => {
    if (new URL(response.url()).pathname === '/onboarding' && response.status() === 200) forms.push(response.url());
  });
  await signUp(page, inbox, user);
  await expect(page).toHaveURL('/dashboard', { timeout: 15_000 });
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
  expect(forms).toEqual([]);
  await expect(page.getByRole('row', { name: user.email })).toContainText(/admin/i);
});

test('a user without an organization who is invited later reaches the dashboard from any page', async ({ app, clerk, visitor, page, context }) => {
  const owner = await visitor();
  const { organization } = await clerk.inside(owner.context());
  const signedIn = await clerk.signedIn(context);
  await page.goto('/dashboard');
  await expect(page).toHaveURL('/onboarding');
  await app.command('invite', '--email', signedIn.user.email, '--organization', organization.slug);
  await page.goto('/dashboard');
  await expect(page).toHaveURL('/dashboard', { timeout: 15_000 });
  await expect(page.getByRole('heading', { name: organization.name })).toBeVisible();
});

test('what Clerk lost without a webhook is found by reconciling, and sent again', async ({ app, clerk, context }) => {
  const signedIn = await clerk.inside(context);
  await clerk.forgetOrganization(signedIn);
  const line = `${signedIn.userId}  Clerk does not know their organization`;
  expect(await app.command('reconcile', '--dry-run')).toContain(`${line} (would be settled)`);
  expect(await app.command('reconcile')).toContain(`${line} (settled)`);
  await expect.poll(() => clerk.publicMetadata(signedIn.userId)).toMatchObject({ activeOrgId: signedIn.organization.id });
  await clerk.resetFaults();
});
