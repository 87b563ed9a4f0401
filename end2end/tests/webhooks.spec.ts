// What changes at Clerk reaches us by webhook, and what was lost there is put right.
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.misbehave());

test('a name that changes at Clerk stands on the dashboard, however often and in whatever order Clerk says so', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await clerk.misbehave({ webhooks: { reorder: true, duplicate: 4 } });
  for (const first_name of ['Grace', 'Hedy']) await clerk.changeUser(signedIn.userId, { first_name, last_name: 'Lamarr' });
  await expect(async () => {
    await page.goto('/dashboard');
    await expect(page.getByRole('cell', { name: 'Hedy Lamarr' }).or(page.getByRole('rowheader', { name: 'Hedy Lamarr' }))).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 15_000 });
  const sent = (await clerk.webhooks()).filter(({ event }) => event.type === 'user.updated' && event.data.id === signedIn.userId);
  expect(sent.length).toBeGreaterThan(0);
  expect(sent.filter(({ state }) => state !== 'delivered')).toEqual([]);
});

test('an organization that Clerk has lost is told to it again', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await clerk.changeMetadata(signedIn.userId, { activeOrgId: null, plan: 'pro' });
  await expect.poll(() => clerk.publicMetadata(signedIn.userId), { timeout: 15_000 }).toMatchObject({
    activeOrgId: signedIn.organization.id,
    plan: 'pro',
  });
  await signedIn.renew();
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
});
