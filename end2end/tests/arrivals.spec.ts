// However late the claim comes, each kind of page opens the dashboard without a click: within 1 s while the wait lasts,
// within 3 s on the screen after it, and within 6 s in that screen's second half minute. Then it stops and says so.
import type { Page } from '@playwright/test';
import type { Clerk } from './support/clerk';
import { bringBack, putBehind } from './support/background';
import { fillIn, press, tokenCalls, statusCalls, stillLoading } from './support/creation';
import { newOrganization } from './support/users';
import { expect, test } from './support/test';
import { HANDSHAKE, Traffic } from './support/traffic';

test.afterEach(async ({ clerk }) => clerk.resetFaults());

/** How late the claim comes, in ms after Clerk was notified. */
const LATE = [200, 1_000, 2_500, 4_000, 6_000, 8_000, 15_000, 40_000];
/** Up to this delay, page kinds are tested one after the other. */
const ALONE_MS = 6_000;
/** Browsers and server share two processors. */
const SLACK_MS = 700;
/** A background tab's timers fire once a second at most. */
const BACKGROUND_MS = 1_000;
/** From the start to the end of the last check: 10 s, and the minute after it. */
const STOPPED_MS = 80_000;

interface Wait {
  traffic: Traffic;
  page: Page;
  /** When Clerk was notified (as closely as a test can know), and when the waiting page had loaded. */
  notified: number;
  loaded: number;
  /** How long the wait itself lasts. */
  boundMs: number;
  extraMs: number;
  /** The documents loaded before the dashboard, if the claim comes within the bound and beyond it. */
  within: string[];
  beyond: string[];
}

const SCREEN = 'GET /token-pending';

/** The form, from the click on. `before` runs once it is filled in. */
async function form(page: Page, clerk: Clerk, before = async () => {}): Promise<Wait> {
  await clerk.signedIn(page.context());
  const creation = await fillIn(page);
  await before();
  const answered = page.waitForResponse('**/api/rpc/create_organization');
  await press(page, creation);
  await answered;
  return { page, traffic: creation.traffic, notified: Date.now(), loaded: 0, boundMs: 10_000, extraMs: 0, within: [], beyond: [SCREEN] };
}

/** A page that is opened while the token is stale. */
async function screen(page: Page, clerk: Clerk): Promise<Wait> {
  await clerk.signedIn(page.context());
  const origin = new URL((await page.goto('/'))!.url()).origin;
  await page.context().request.post('/api/organizations/create', { headers: { origin }, data: newOrganization() });
  const notified = Date.now();
  const traffic = new Traffic(page);
  await page.goto('/dashboard');
  return { page, traffic, notified, loaded: Date.now(), boundMs: 2_500, extraMs: 0, within: ['GET /dashboard', SCREEN], beyond: ['GET /dashboard', SCREEN, SCREEN] };
}

/** A second tab, opened while the first one waits. */
async function secondTab(page: Page, clerk: Clerk): Promise<Wait> {
  const first = await form(page, clerk);
  const other = await page.context().newPage();
  const traffic = new Traffic(other);
  await other.goto('/dashboard');
  return { ...first, page: other, traffic, loaded: Date.now(), boundMs: 2_500, within: ['GET /dashboard', SCREEN], beyond: ['GET /dashboard', SCREEN, SCREEN] };
}

/** The form, with another tab in front of it. */
async function background(page: Page, clerk: Clerk): Promise<Wait> {
  const wait = await form(page, clerk, async () => putBehind(page, await page.context().newPage()));
  return { ...wait, extraMs: BACKGROUND_MS };
}

const KINDS = { form, screen, secondTab, background };

async function expectArrival(kind: string, wait: Wait, late: number): Promise<void> {
  const { page, traffic, notified, loaded, boundMs, extraMs } = wait;
  await page.waitForURL('/dashboard', { timeout: late + 15_000, waitUntil: 'commit' });
  const after = Date.now() - Math.max(notified + late, loaded);
  const beyond = late > boundMs;
  // A claim about as late as the bound may come just before or just after the wait ends.
  const near = Math.abs(late - boundMs) < 1_000;
  const limit = (!beyond && !near ? 1_000 : late < boundMs + 30_000 ? 3_000 : 6_000) + extraMs + SLACK_MS;
  expect(after, `${kind}: ms from the claim to the arrival`).toBeLessThan(limit);

  // A wait does not end before its bound, and the form never comes back.
  const documents = traffic.documents().filter((document) => document !== HANDSHAKE);
  const expected = [[...wait.within, 'GET /dashboard'], [...wait.beyond, 'GET /dashboard']];
  expect(near ? expected : [expected[Number(beyond)]], `${kind}: documents`).toContainEqual(documents);
  // Every 0.3 to 0.7 s during the wait, then every 2 s, then every 5 s.
  const screenMs = Math.max(0, late - boundMs);
  const most = Math.min(late, boundMs) / 500 + Math.min(screenMs, 30_000) / 2_000 + Math.max(0, screenMs - 30_000) / 5_000 + 6;
  expect(tokenCalls(traffic), `${kind}: calls to Clerk`).toBeLessThanOrEqual(most);
  expect(statusCalls(traffic), `${kind}: calls to the server`).toBeLessThanOrEqual(most);
}

for (const late of LATE) {
  test(`every kind of page opens by itself when the claim is ${late / 1_000} s late`, async ({ visitor, clerk }) => {
    test.setTimeout(90_000 + late);
    await clerk.setFaults({ metadata_delay_ms: late });
    const arrivals: Promise<void>[] = [];
    for (const [kind, start] of Object.entries(KINDS)) {
      const arrival = expectArrival(kind, await start(await visitor(), clerk), late);
      arrivals.push(arrival);
      // Short delays one after the other: a page that starts slows down the others.
      if (late <= ALONE_MS) await arrival;
    }
    await Promise.all(arrivals);
  });
}

test('when the claim never comes, every kind of page stops after a minute, says so, and offers the dashboard', async ({ visitor, clerk }) => {
  test.setTimeout(180_000);
  await clerk.setFaults({ metadata_delay_ms: null });
  await Promise.all(
    Object.entries(KINDS).map(async ([name, start]) => {
      const { page, traffic } = await start(await visitor(), clerk);
      await expect(stillLoading(page)).toBeVisible({ timeout: 25_000 });
      await expect(page.getByText('This page keeps checking for a minute, and opens by itself.')).toBeVisible();
      const stopped = page.getByText('We’ve stopped checking. Nothing is lost: open the dashboard, or try again.');
      await expect(stopped, name).toBeVisible({ timeout: STOPPED_MS + 30_000 });
      const calls = [tokenCalls(traffic), statusCalls(traffic)];
      expect(calls[0], `${name}: calls to Clerk`).toBeLessThanOrEqual(44);
      expect(calls[1], `${name}: calls to the server`).toBeLessThanOrEqual(44);
      expect(traffic.paths()).not.toContain('/onboarding');
      const buttons = page.getByRole('main').getByRole('button');
      await expect(buttons).toHaveText(['Open the dashboard', 'Try again', 'Sign out']);
    }),
  );
});

test('a tab that comes back after the minute checks at once and opens the dashboard', async ({ page, context, clerk }) => {
  test.setTimeout(150_000);
  const signedIn = await clerk.inside(context);
  const { id: activeOrgId } = signedIn.organization;
  await clerk.forgetOrganization(signedIn);
  await signedIn.renew();
  await page.goto('/dashboard');
  await expect(stillLoading(page)).toBeVisible();
  await expect(page.getByText('We’ve stopped checking.')).toBeVisible({ timeout: STOPPED_MS });
  await putBehind(page, await context.newPage());
  await clerk.changeMetadata(signedIn.userId, { activeOrgId });
  await bringBack(page);
  await expect(page).toHaveURL('/dashboard', { timeout: 5_000 });
});
