// The bytes that a browser with an empty cache receives for each page: response headers and compressed bodies
// (encodedDataLength of Chromium's Network.loadingFinished). Inline scripts count as part of the document.
//
//   VESTIBULE_BINARY, SITE_ROOT
//                      which build; without them the release build, else the debug build
import { chromium } from '@playwright/test';
import { App } from '../tests/support/app.mjs';
import { chromiumFlags, systemChromium } from '../tests/support/find-chromium.mjs';
import { build, measured } from './support/build.mjs';
import { SignedIn } from './support/user.mjs';

/** Our WASM and JavaScript on the page that needs them. */
const ONBOARDING_LIMIT = 90_000;
/** How long a page may take to become idle; the waiting screen never does. */
const SETTLE_LIMIT_MS = 5_000;
/** Then it has this long for what it loads when idle. */
const IDLE_MS = 1_000;

/** Who opens each page: a signed-out visitor, a user without an organization, a member, or a member with a stale token. */
const PAGES = [
  { path: '/' },
  { path: '/sign-in' },
  { path: '/onboarding', who: 'outside', ownCode: ONBOARDING_LIMIT },
  { path: '/token-pending?next=/dashboard', who: 'waiting' },
  { path: '/token-pending?next=%2Fdashboard&tried=1', who: 'waiting', wasm: 0 },
  { path: '/dashboard', who: 'inside', wasm: 0 },
];

const KINDS = ['document', 'WASM', 'JS', 'CSS', 'Clerk’s files', 'other'];

export const title =
  `Bytes received for each page, headers included, ${measured} ` +
  `(limits: ${ONBOARDING_LIMIT / 1_000} kB of our WASM and JavaScript for /onboarding, no WASM for /dashboard and after the wait)`;

export async function measure() {
  const app = await App.start(build);
  try {
    const browser = await chromium.launch({ executablePath: systemChromium(), args: chromiumFlags });
    try {
      const users = {
        outside: await SignedIn.start(app, browser),
        inside: await SignedIn.start(app, browser),
        waiting: await SignedIn.start(app, browser),
      };
      await users.inside.createOrganization();
      await users.waiting.createOrganization();
      await users.waiting.forgetOrganization();
      const pages = [];
      for (const page of PAGES) {
        const storageState = page.who && (await users[page.who].state());
        pages.push({ ...page, answers: await load(app, browser, page.path, storageState) });
      }
      return report(pages);
    } finally {
      await browser.close();
    }
  } finally {
    await app.dispose();
  }
}

/** All responses that a page has requested, in its own browser. */
async function load(app, browser, path, storageState) {
  const context = await browser.newContext({ baseURL: app.origin, locale: 'en-US', storageState });
  try {
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    const requests = new Map();
    devtools.on('Network.requestWillBeSent', ({ requestId, loaderId, request }) => {
      requests.set(requestId, { loaderId, path: new URL(request.url).pathname });
    });
    devtools.on('Network.responseReceived', ({ requestId, type, response }) => {
      const encoding = Object.entries(response.headers).find(([name]) => name.toLowerCase() === 'content-encoding')?.[1];
      Object.assign(requests.get(requestId) ?? {}, { type, encoding, status: response.status, url: response.url });
    });
    devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      Object.assign(requests.get(requestId) ?? {}, { bytes: encodedDataLength });
    });
    await devtools.send('Network.enable');
    await page.goto(path);
    await Promise.race([page.waitForLoadState('networkidle'), pause(SETTLE_LIMIT_MS)]);
    await pause(IDLE_MS);

    // The page may have navigated by now, but each request names its document.
    const [document] = requests.values();
    const own = [...requests.values()].filter(({ loaderId }) => loaderId === document.loaderId);
    if (document.status !== 200 || document.url !== new URL(path, app.origin).href) {
      throw new Error(`${path} led to ${document.url}, with ${document.status}`);
    }
    const missing = own.filter((answer) => kindOf(answer) !== 'other' && (answer.bytes === undefined || answer.status !== 200));
    if (missing.length > 0) throw new Error(`${path}: did not arrive: ${missing.map((answer) => answer.path).join(', ')}`);
    return own;
  } finally {
    await context.close();
  }
}

function kindOf({ type, path }) {
  if (type === 'Document') return 'document';
  if (path.startsWith('/clerk/')) return 'Clerk’s files';
  const ending = /^\/pkg\/.*\.(wasm|js|css)$/.exec(path)?.[1];
  return ending?.toUpperCase() ?? 'other';
}

function report(pages) {
  const rows = [];
  const failures = [];
  for (const { path, answers, ownCode, wasm } of pages) {
    const sums = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
    for (const answer of answers) sums[kindOf(answer)] += answer.bytes ?? 0;
    const encodings = answers.filter((answer) => kindOf(answer) === 'WASM').map(({ encoding }) => encoding ?? 'identity');
    rows.push([path, ...KINDS.map((kind) => Math.round(sums[kind])), encodings.join(', ') || '-']);

    const own = sums.WASM + sums.JS;
    if (own > ownCode) failures.push(`payload: ${own} bytes of our WASM and JavaScript for ${path}, the limit is ${ownCode}`);
    if (sums.WASM > wasm) failures.push(`payload: ${sums.WASM} bytes of WASM for ${path}, where none is needed`);
    for (const answer of answers) {
      const isFile = !['document', 'other'].includes(kindOf(answer));
      // Small files are not compressed (.ci/compress.mjs).
      if (isFile && answer.bytes > 4_096 && answer.encoding !== 'br') failures.push(`payload: ${answer.path} was not compressed with brotli`);
    }
  }
  return { columns: ['page', ...KINDS, 'WASM encoding'], rows, failures: [...new Set(failures)] };
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
