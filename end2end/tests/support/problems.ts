// Silent browser problems: console errors (Content Security Policy violations included), uncaught errors, failed
// requests, and requests to any origin but the app's (and Clerk's, where browsers call it directly). A test fails on
// each one that it did not expect.
import type { BrowserContext } from '@playwright/test';

interface Expectation {
  pattern: RegExp;
  least: number;
  most: number;
  seen: number;
}

export class Problems {
  private readonly found: string[] = [];
  private readonly expected: Expectation[] = [];

  constructor(private readonly origins: string[]) {}

  watch(context: BrowserContext): void {
    context.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      // Workers and images that the page itself created.
      if (this.origins.includes(origin) || protocol === 'data:' || protocol === 'blob:') return;
      this.found.push(`request: ${request.method()} ${request.url()} goes to another origin`);
    });
    context.on('console', (message) => {
      // Server and front end come from different builds: as fatal as an error.
      const asleep = message.text().startsWith('Could not find WASM function');
      if (message.type() !== 'error' && !asleep) return;
      // Chromium repeats every failed request here; those are reported below in more detail.
      if (message.text().startsWith('Failed to load resource:')) return;
      this.found.push(`console: ${message.text()} (${message.location().url})`);
    });
    context.on('weberror', (webError) => {
      const error = webError.error();
      this.found.push(`uncaught: ${error.stack ?? error.message}`);
    });
    context.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText ?? 'unknown reason';
      // Leaving a page cancels its pending requests: not a failure.
      if (reason === 'net::ERR_ABORTED') return;
      this.found.push(`request: ${request.method()} ${request.url()} failed: ${reason}`);
    });
    context.on('response', (response) => {
      if (response.status() < 400) return;
      this.found.push(`request: ${response.request().method()} ${response.url()} answered ${response.status()}`);
    });
  }

  /** Expects a problem: once, exactly this often, or within a range. */
  expect(pattern: RegExp, times: number | [least: number, most: number] = 1): void {
    const [least, most] = typeof times === 'number' ? [times, times] : times;
    this.expected.push({ pattern, least, most, seen: 0 });
  }

  /** Problems that were not expected, and expected ones that did not occur. */
  unexpected(): string[] {
    const lines: string[] = [];
    for (const expectation of this.expected) expectation.seen = 0;
    for (const problem of this.found) {
      const expectation = this.expected.find(({ pattern, most, seen }) => seen < most && pattern.test(problem));
      if (expectation) expectation.seen += 1;
      else lines.push(problem);
    }
    for (const { pattern, least, seen } of this.expected) {
      if (seen < least) lines.push(`expected but not seen: ${pattern} (${seen} of ${least})`);
    }
    return lines;
  }
}
