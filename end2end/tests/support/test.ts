// The fixtures of every test: the running app, its inbox, and a browser whose silent errors fail the test.
import { test as base, type BrowserContextOptions, type Page } from '@playwright/test';
import { App, type ClerkKind } from './app.mjs';
import { Clerk } from './clerk';
import { Inbox } from './inbox';
import { Problems } from './problems';

interface TestFixtures {
  problems: Problems;
  /** Expects a problem that the test causes on purpose: how often, as a number or a range. */
  expectProblem: Problems['expect'];
  /** Another user's browser: its own cookies, watched like the first. */
  visitor: (options?: BrowserContextOptions) => Promise<Page>;
}

interface WorkerFixtures {
  /** Which kind of Clerk instance the app uses; a spec overrides it with `test.use({ clerkKind: … })`. */
  clerkKind: ClerkKind;
  app: App;
  inbox: Inbox;
  clerk: Clerk;
}

const START_TIMEOUT_MS = 90_000;
const LOG_LINES = 60;

export const test = base.extend<TestFixtures, WorkerFixtures>({
  clerkKind: ['production', { scope: 'worker', option: true }],

  app: [
    async ({ clerkKind }, use) => {
      const app = await App.start(undefined, clerkKind);
      await use(app);
      await app.dispose();
    },
    { scope: 'worker', timeout: START_TIMEOUT_MS },
  ],

  // Flags that resolve the host of a development instance.
  launchOptions: [
    async ({ launchOptions, app }, use) => {
      await use({ ...launchOptions, args: [...(launchOptions.args ?? []), ...(app.dev.chromium_flags ?? [])] });
    },
    { scope: 'worker' },
  ],

  inbox: [async ({ app }, use) => use(new Inbox(app)), { scope: 'worker' }],

  clerk: [async ({ app }, use) => use(new Clerk(app)), { scope: 'worker' }],

  baseURL: async ({ app }, use) => use(app.origin),

  problems: [
    async ({ app, context }, use, testInfo) => {
      const problems = new Problems(app.origins);
      problems.watch(context);
      const logBefore = app.log().length;
      await use(problems);

      const lines = problems.unexpected();
      if (!app.running) lines.push('the app has ended');
      if (lines.length > 0 || testInfo.status !== testInfo.expectedStatus) {
        const log = app.log().slice(logBefore);
        await testInfo.attach('app.log', { body: log, contentType: 'text/plain' });
        console.log(`The app's log during "${testInfo.title}":\n${log.split('\n').slice(-LOG_LINES).join('\n')}`);
      }
      if (lines.length > 0) throw new Error(`Unexpected problems in the browser:\n${lines.join('\n')}`);
    },
    { auto: true },
  ],

  expectProblem: async ({ problems }, use) => use((pattern, times) => problems.expect(pattern, times)),

  visitor: async ({ browser, problems, baseURL }, use) => {
    const contexts: Awaited<ReturnType<typeof browser.newContext>>[] = [];
    await use(async (options) => {
      const context = await browser.newContext({ baseURL, locale: 'en-US', ...options });
      contexts.push(context);
      problems.watch(context);
      return context.newPage();
    });
    for (const context of contexts) await context.close();
  },
});

export { expect } from '@playwright/test';
