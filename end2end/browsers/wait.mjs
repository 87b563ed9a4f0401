// Waits for a condition, with a limit.
const POLL_MS = 100;

/**
 * Polls until the result is truthy, and returns it. An error counts as "not yet": while a browser navigates, there is no
 * page to query.
 * @template T
 * @param {string} what  for the message on timeout
 * @param {() => T | Promise<T>} poll
 */
export async function until(what, poll, limitMs = 10_000) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    let reason = '';
    try {
      const result = await poll();
      if (result) return result;
    } catch (error) {
      reason = `: ${error.message}`;
    }
    if (Date.now() > deadline) throw new Error(`not within ${(limitMs / 1000).toFixed(1)} s: ${what}${reason}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
