// Changes at Clerk reach us by webhook, and data lost there is restored.
import { expect, test } from './support/test';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

test('a name changed at Clerk appears on the dashboard, even with duplicate and reordered webhooks', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await clerk.setFaults({ webhooks: { reorder: true, duplicate: 4 } });
  for (const first_name of ['Grace', 'Hedy']) await clerk.changeUser(signedIn.userId, { first_name, last_name: 'Lamarr' });
  await expect(async () => {
    await page.goto('/dashboard');
    await expect(page.getByRole('cell', { name: 'Hedy Lamarr' }).or(page.getByRole('rowheader', { name: 'Hedy Lamarr' }))).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 15_000 });
  const sent = (await clerk.webhooks()).filter(({ event }) => event.type === 'user.updated' && event.data.id === signedIn.userId);
  expect(sent.length).toBeGreaterThan(0);
  expect(sent.filter(({ state }) => state !== 'delivered')).toEqual([]);
});

test('Clerk is notified again of an organization it has lost', async ({ page, context, clerk }) => {
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

test('a member deleted at Clerk loses access at the next request, although the token is still valid', async ({ page, context, clerk }) => {
  const signedIn = await clerk.inside(context);
  await page.goto('/dashboard');
  await expect(page.getByRole('heading', { name: signedIn.organization.name })).toBeVisible();
  await clerk.deleteUser(signedIn.userId);
  await expect.poll(async () => (await clerk.webhooks()).find(({ event }) => event.type === 'user.deleted' && event.data.id === signedIn.userId)?.state).toBe('delivered');
  // The token in the cookie is valid for the rest of its minute, but our database decides.
  const me = async () => (await (await context.request.get('/api/me')).json()).organization;
  await expect.poll(me, { timeout: 10_000 }).toBeNull();
  const answer = await context.request.get('/dashboard', { maxRedirects: 0 });
  expect([answer.status(), answer.headers().location]).toEqual([303, '/onboarding']);
});
