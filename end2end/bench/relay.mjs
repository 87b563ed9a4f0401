// How fast one process works off what waits for Clerk, with Clerk's limit of calls lifted: to a Clerk that answers at once,
// where every statement counts, and to one that answers after 100 ms, as the real one may. The yardstick is reqwest alone,
// with as many calls under way, to the same stand-in in the same run.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from './support/server.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * By how long Clerk takes: messages for each call of the yardstick. At once, two commits of the database for each message
 * are nearly all of it, and what Clerk allows, 90 in a second, is far below.
 */
const RATIO_LIMITS = { 0: 0.01, 100: 0.8 };

export const title =
  `Relay, 8 calls at once, no limit of calls (limits: for each call of reqwest alone ${RATIO_LIMITS[0]} messages when Clerk ` +
  `answers at once, ${RATIO_LIMITS[100]} when it takes 100 ms)`;

export async function measure() {
  const cargo = ['bench', '--quiet', '--no-default-features', '--features', 'dev', '--bench', 'relay'];
  const output = execFileSync('cargo', cargo, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  const rounds = output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const rows = [];
  const failures = [];
  for (const [delay, limit] of Object.entries(RATIO_LIMITS)) {
    const these = rounds.filter((round) => round.delay_ms === Number(delay));
    const ratio = median(these.map(({ relay, plain }) => relay / plain));
    rows.push(
      [`Clerk answers after ${delay} ms: messages in a second`, median(these.map(({ relay }) => relay)).toFixed(0)],
      ['  calls by reqwest alone in a second', median(these.map(({ plain }) => plain)).toFixed(0)],
      ['  ratio', ratio.toFixed(3)],
    );
    if (!(ratio >= limit)) failures.push(`relay: ${ratio.toFixed(3)} messages for each call of reqwest when Clerk takes ${delay} ms, the limit is ${limit}`);
  }
  return { columns: ['what', 'median'], rows, failures };
}
