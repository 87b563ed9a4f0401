// The system's Firefox, driven over WebDriver BiDi. Nothing is downloaded.
import puppeteer from 'puppeteer-core';
import { find } from './engines.mjs';
import { findVisible } from './page.mjs';

// Firefox fetches settings and updates by itself. A proxy that does not exist keeps it on this machine.
const NOWHERE = {
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': 9,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': 9,
  'network.proxy.no_proxies_on': 'localhost, 127.0.0.1',
  // No fallback around the proxy.
  'network.proxy.failover_direct': false,
  'network.proxy.allow_bypass': false,
};

export async function launch() {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: find('firefox-esr', 'firefox'),
    headless: true,
    extraPrefsFirefox: NOWHERE,
  });
  return {
    /** A window with its own cookies. */
    async window() {
      const context = await browser.createBrowserContext();
      return driver(context, await context.newPage());
    },
    close: () => browser.close(),
  };
}

function driver(context, page) {
  const problems = [];
  watch(page, problems);
  return {
    goto: (address) => page.goto(address),
    url: () => page.url(),
    evaluate: (fn, ...args) => page.evaluate(fn, ...args),
    cookies: () => context.cookies(),
    problems: () => problems,
    close: () => context.close(),
    async element(css, text) {
      const handle = await page.evaluateHandle(findVisible, css, text);
      return handle.asElement() ?? undefined;
    },
  };
}

function watch(page, problems) {
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.stack ?? error.message}`));
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText;
    // Leaving a page cancels its pending requests: not a failure.
    if (reason !== 'NS_BINDING_ABORTED') problems.push(`request: ${request.method()} ${request.url()} failed: ${reason}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`request: ${response.request().method()} ${response.url()} answered ${response.status()}`);
  });
}
