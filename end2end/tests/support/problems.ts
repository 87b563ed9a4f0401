// What goes wrong in a browser without anyone seeing it: errors in the console (Content Security
// Policy violations among them), uncaught errors, failed requests, requests to anybody but the app (and
// Clerk, where the app has it called directly).
// A test fails on each that it did not announce.
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
      // Workers and pictures that the page made itself.
      if (this.origins.includes(origin) || protocol === 'data:' || protocol === 'blob:') return;
      this.found.push(`request: ${request.method()} ${request.url()} goes to another origin`);
    });
    context.on('console', (message) => {
      // Binary and site are not of one build: the page stays as dead as after an error.
      const asleep = message.text().startsWith('Could not find WASM function');
      if (message.type() !== 'error' && !asleep) return;
      // Chromium repeats every failed request there; those are reported below, with more to go by.
      if (message.text().startsWith('Failed to load resource:')) return;
      this.found.push(`console: ${message.text()} (${message.location().url})`);
    });
    context.on('weberror', (webError) => {
      const error = webError.error();
      this.found.push(`uncaught: ${error.stack ?? error.message}`);
    });
    context.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText ?? 'unknown reason';
      // Leaving a page cancels what it was still loading: that is no failure.
      if (reason === 'net::ERR_ABORTED') return;
      this.found.push(`request: ${request.method()} ${request.url()} failed: ${reason}`);
    });
    context.on('response', (response) => {
      if (response.status() < 400) return;
      this.found.push(`request: ${response.request().method()} ${response.url()} answered ${response.status()}`);
    });
  }

  /** Announces a problem: exactly one of it, or this many, or from this many to that many. */
  expect(pattern: RegExp, times: number | [least: number, most: number] = 1): void {
    const [least, most] = typeof times === 'number' ? [times, times] : times;
    this.expected.push({ pattern, least, most, seen: 0 });
  }

  /** What nobody announced, and what was announced but did not come. */
  unexpected(): string[] {
    const lines: string[] = [];
    for (const expectation of this.expected) expectation.seen = 0;
    for (const problem of this.found) {
      const expectation = this.expected.find(({ pattern, most, seen }) => seen < most && pattern.test(problem));
      if (expectation) expectation.seen += 1;
      else lines.push(problem);
    }
    for (const { pattern, least, seen } of this.expected) {
      if (seen < least) lines.push(`announced but not seen: ${pattern} (${seen} of ${least})`);
    }
    return lines;
  }
}
