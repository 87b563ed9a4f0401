// Waiting for a condition, with a bound.
const POLL_MS = 100;

/**
 * Asks again and again until the answer is a truthy value, and gives it. An error counts as "not yet": while a browser
 * goes from one page to the next, there is no page to ask.
 * @template T
 * @param {string} what  for the message when it does not come
 * @param {() => T | Promise<T>} ask
 */
export async function until(what, ask, limitMs = 10_000) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    let reason = '';
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      reason = `: ${error.message}`;
    }
    if (Date.now() > deadline) throw new Error(`not within ${(limitMs / 1000).toFixed(1)} s: ${what}${reason}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
