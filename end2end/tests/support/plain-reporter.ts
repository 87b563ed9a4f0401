// Ends a test run with one line that both humans and scripts can read.
import type { Reporter, Suite } from '@playwright/test/reporter';

export default class PlainReporter implements Reporter {
  private suite: Suite | undefined;
  /** Errors outside any test, such as a file that cannot be loaded. */
  private errors = 0;

  onBegin(_config: unknown, suite: Suite) {
    this.suite = suite;
  }

  onError() {
    this.errors += 1;
  }

  onEnd() {
    const outcomes = this.suite?.allTests().map((test) => test.outcome()) ?? [];
    const passed = outcomes.filter((outcome) => outcome === 'expected').length;
    const failed = outcomes.filter((outcome) => outcome === 'unexpected' || outcome === 'flaky').length;
    console.log(`${passed} passed, ${failed + this.errors} failed`);
  }

  printsToStdio() {
    return true;
  }
}
