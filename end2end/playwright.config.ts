// The browser tests drive the real app, which tests/support/app.mjs starts with an empty data folder.
import { defineConfig } from '@playwright/test';
import { chromiumFlags, systemChromium } from './tests/support/find-chromium.mjs';

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  // One app, one database, two cores: tests run one at a time. A test that needs a retry is broken.
  workers: 1,
  fullyParallel: false,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 30_000,
  expect: { timeout: 10_000 },
  reporter: [['list'], ['./tests/support/plain-reporter.ts']],
  use: {
    browserName: 'chromium',
    locale: 'en-US',
    screenshot: 'only-on-failure',
    // Without a system Chromium, the one that Playwright has downloaded.
    launchOptions: { executablePath: systemChromium(), args: chromiumFlags },
  },
});
