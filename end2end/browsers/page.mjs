// A page, on top of either driver, and the functions that run inside it.
//
// A driver has `goto(address)`, `url()`, `evaluate(fn, ...args)`, `cookies()`, `problems()`, `close()`, and
// `element(css, text)`, which returns a visible element that can be clicked and typed into, or undefined.
import { until } from './wait.mjs';

/** Runs in the page: the first visible element that matches, and contains the text. */
export function findVisible(css, text) {
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  return [...document.querySelectorAll(css)].find((element) => visible(element) && element.textContent.includes(text)) ?? null;
}

export class Page {
  #driver;

  constructor(driver) {
    this.#driver = driver;
  }

  goto(address) {
    return this.#driver.goto(address);
  }

  async path() {
    return new URL(await this.#driver.url()).pathname;
  }

  evaluate(fn, ...args) {
    return this.#driver.evaluate(fn, ...args);
  }

  /** Names of all cookies, HttpOnly ones included. */
  async cookieNames() {
    return (await this.#driver.cookies()).map(({ name }) => name);
  }

  async sees(css, text = '') {
    return Boolean(await this.#driver.element(css, text));
  }

  /** Waits until the element is visible. */
  async see(css, text = '', limitMs = undefined) {
    await until(`"${text}" in ${css}`, () => this.sees(css, text), limitMs);
  }

  /** Real key presses; `'\n'` is the Enter key. */
  async type(css, keys) {
    const element = await until(css, () => this.#driver.element(css, ''));
    await element.type(keys);
  }

  async click(css, text = '') {
    const element = await until(`"${text}" in ${css}`, () => this.#driver.element(css, text));
    await element.click();
  }

  /** Silent problems, as far as the engine reports them. */
  async problems() {
    return this.#driver.problems();
  }

  close() {
    return this.#driver.close();
  }

  /** For the message of a failing test. */
  async describe() {
    const text = await this.evaluate(() => `${location.href}\n${document.body?.innerText ?? ''}`).catch((error) => error.message);
    const problems = await this.problems().catch((error) => [error.message]);
    return `The page was ${String(text).slice(0, 1_500)}\nProblems in the browser: ${problems.join('\n') || 'none known'}`;
  }
}
