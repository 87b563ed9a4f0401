// The time from the click on "Create organization" to the dashboard's DOMContentLoaded, compared with its yardstick:
// the round trips that are unavoidable. The browser times the three calls of the same click. The document is loaded
// once more by itself, because leaving a page costs the browser more than the network does: about 30 ms even for
// /health, whose two bytes arrive in 2 ms. What exceeds a ratio of 1 is what we add: waiting and work.
//
//   LATENCY_MS=20      the delay of every request
//   RUNS=10            how many users create their first organization
//   VESTIBULE_BINARY, SITE_ROOT
//                      which build; without them the release build, else the debug build
import { randomBytes } from 'node:crypto';
import { chromium } from '@playwright/test';
import { App } from '../tests/support/app.mjs';
import { chromiumFlags, systemChromium } from '../tests/support/find-chromium.mjs';
import { build, measured } from './support/build.mjs';
import { addUser } from './support/user.mjs';

/**
 * The delay of every browser request, in ms: a user not far from the server. On the same machine a round trip takes 3 ms,
 * and the ratio would measure Chromium, which needs some 30 ms to leave a page.
 */
const LATENCY_MS = Number(process.env.LATENCY_MS ?? 20);
/** How many users do it without delay, for comparison. */
const RUNS_WITHOUT_DELAY = 5;

/** Total divided by the sum of the round trips, as the median of all runs. */
const RATIO_LIMIT = 1.5;
/** For the total, as the median of all runs. */
const TOTAL_LIMIT_MS = 1_000;
const RUNS = Number(process.env.RUNS ?? 10);
/** The first runs warm up the server and the browser, and are not counted. */
const WARM_UP_RUNS = 2;

/** How often each user's dashboard is loaded by itself. The median counts. */
const LOADS_ALONE = 3;

/** The unavoidable calls, in order. The document follows. */
const CALLS = [
  ['POST create_organization', /\/api\/rpc\/create_organization$/],
  ['GET Clerk session, through the proxy', /\/__clerk\/v1\/client\/sessions\/[^/]+\?/],
  ['POST session_status', /\/api\/rpc\/session_status$/],
];

export const title =
  `Click to dashboard in ms, ${RUNS} users, ${LATENCY_MS} ms to the server, ${measured} ` +
  `(limits for the median: ${RATIO_LIMIT} times its round trips, ${TOTAL_LIMIT_MS} ms)`;

export async function measure() {
  const app = await App.start(build);
  try {
    const browser = await chromium.launch({ executablePath: systemChromium(), args: chromiumFlags });
    try {
      const runs = [];
      for (let run = 0; run < WARM_UP_RUNS + RUNS; run += 1) {
        const measured = await createOrganization(app, browser, LATENCY_MS);
        if (run >= WARM_UP_RUNS) runs.push(measured);
      }
      const undelayed = [];
      for (let run = 0; run < RUNS_WITHOUT_DELAY; run += 1) undelayed.push(await createOrganization(app, browser, 0));
      return report(runs, undelayed);
    } finally {
      await browser.close();
    }
  } finally {
    await app.dispose();
  }
}

/** One user, from the sign-in page to the dashboard. Returns the parts of the click's time. */
async function createOrganization(app, browser, latency) {
  const context = await browser.newContext({ baseURL: app.origin, locale: 'en-US' });
  try {
    const page = await context.newPage();
    await signIn(app, page);

    await page.addInitScript(keepMeasurements);
    await page.goto('/onboarding');
    const id = randomBytes(4).toString('hex');
    await page.getByLabel('Organization name').fill(`Blue Harbor ${id}`);
    await page.getByText('This address is available.').waitFor();
    const devtools = await context.newCDPSession(page);
    await devtools.send('Network.enable');
    await devtools.send('Network.emulateNetworkConditions', { offline: false, latency, downloadThroughput: -1, uploadThroughput: -1 });
    // Typing takes longer than loading clerk-js.
    await page.waitForFunction(() => window.Clerk?.loaded);
    await page.getByRole('button', { name: 'Create organization' }).click();
    await page.waitForURL('**/dashboard');
    const measured = await page.evaluate(readMeasurements);
    return partsOf(measured, await loadAlone(page));
  } finally {
    await context.close();
  }
}

/** Loads the page again by itself. Returns the ms until DOMContentLoaded. */
async function loadAlone(page) {
  const times = [];
  for (let load = 0; load < LOADS_ALONE; load += 1) {
    await page.waitForLoadState('networkidle');
    await Promise.all([page.waitForEvent('load'), page.evaluate(() => location.replace(location.href))]);
    const { document } = await page.evaluate(readMeasurements);
    times.push(document.ready - document.start);
  }
  return median(times);
}

/** Signs in a new user with clerk-js, without its form. */
async function signIn(app, page) {
  const { identifier, password } = await addUser(app);
  await page.goto('/sign-in');
  await page.locator('input[name=identifier]').waitFor();
  await page.evaluate(async (credentials) => {
    const attempt = await window.Clerk.client.signIn.create(credentials);
    await window.Clerk.setActive({ session: attempt.createdSessionId });
  }, { identifier, password });
}

/** Runs in every page: the measurements must outlive it. All times are on one clock, in ms. */
function keepMeasurements() {
  const since = (time) => performance.timeOrigin + time;
  addEventListener('click', (event) => sessionStorage.setItem('clicked', String(since(event.timeStamp))), { capture: true, once: true });
  addEventListener('pagehide', () => {
    const calls = performance.getEntriesByType('resource').map((entry) => ({
      address: entry.name,
      start: since(entry.startTime),
      request: since(entry.requestStart || entry.startTime),
      end: since(entry.responseEnd),
    }));
    sessionStorage.setItem('calls', JSON.stringify(calls));
  });
}

function readMeasurements() {
  const navigation = performance.getEntriesByType('navigation')[0];
  const since = (time) => performance.timeOrigin + time;
  return {
    clicked: Number(sessionStorage.getItem('clicked')),
    calls: JSON.parse(sessionStorage.getItem('calls')),
    document: {
      redirects: navigation.redirectCount,
      start: since(0),
      request: since(navigation.requestStart),
      end: since(navigation.responseEnd),
      ready: since(navigation.domContentLoadedEventEnd),
    },
  };
}

/** Splits the time from click to DOMContentLoaded into the awaited parts and the gaps between them. */
function partsOf({ clicked, calls, document }, alone) {
  const sent = calls.filter(({ start }) => start >= clicked);
  const parts = [];
  let at = clicked;
  let network = 0;
  for (const [name, pattern] of CALLS) {
    const trips = sent.filter(({ address }) => pattern.test(address));
    if (trips.length !== 1) throw new Error(`${name}: ${trips.length} times. After the click: ${sent.map(({ address }) => address).join(', ')}`);
    const [{ start, request, end }] = trips;
    parts.push({ name: `  until ${name}`, ms: start - at }, { name, ms: end - start, isTrip: true });
    network += end - request;
    at = end;
  }
  parts.push(
    { name: '  until GET /dashboard', ms: document.start - at },
    { name: '  until it is sent', ms: document.request - document.start },
    { name: '  until it has arrived', ms: document.end - document.request },
    { name: '  until DOMContentLoaded', ms: document.ready - document.end },
    { name: 'GET /dashboard to DOMContentLoaded, alone', ms: alone, isTrip: true },
  );
  network += document.end - document.request;
  const total = document.ready - clicked;
  const trips = parts.reduce((sum, part) => sum + (part.isTrip ? part.ms : 0), 0);
  return { parts, total, trips, network, others: sent.length - CALLS.length, redirects: document.redirects };
}

function report(runs, undelayed) {
  const row = (name, values, digits) => [name, ...[median(values), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits))];
  const each = (value) => runs.map(value);
  const ratios = each(({ total, trips }) => total / trips);
  const totals = each(({ total }) => total);
  const rows = [
    ...runs[0].parts.map(({ name }, index) => row(name, each(({ parts }) => parts[index].ms), 1)),
    row('sum of the round trips', each(({ trips }) => trips), 1),
    row('click to DOMContentLoaded', totals, 1),
    row('ratio', ratios, 2),
    row('click to DOMContentLoaded, without delay', undelayed.map(({ total }) => total), 1),
    row('ratio, without delay', undelayed.map(({ total, trips }) => total / trips), 2),
    row('ratio to the bare network time', each(({ total, network }) => total / network), 2),
    row('other requests after the click', each(({ others }) => others), 0),
    row('redirects', each(({ redirects }) => redirects), 0),
  ];
  const failures = [];
  if (median(ratios) > RATIO_LIMIT) failures.push(`click to dashboard: ${median(ratios).toFixed(2)} times its round trips, the limit is ${RATIO_LIMIT}`);
  if (median(totals) > TOTAL_LIMIT_MS) failures.push(`click to dashboard: ${median(totals).toFixed(0)} ms, the limit is ${TOTAL_LIMIT_MS} ms`);
  return { columns: ['part', 'median', 'least', 'most'], rows, failures };
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
