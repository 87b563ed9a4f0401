// How fast one process delivers its outbox to Clerk without Clerk's rate limit: to a Clerk that responds at once, where
// every statement counts, and to one that takes 100 ms, as the real one may. The yardstick is reqwest alone, with as
// many concurrent calls, against the same stub in the same run.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from './support/server.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Messages per call of the yardstick, by Clerk's latency in ms. Without latency, the two commits per message are nearly all
 * of the cost; Clerk's limit of 90 calls per second is far lower.
 */
const RATIO_LIMITS = { 0: 0.01, 100: 0.8 };

export const title =
  `Relay, 8 concurrent calls, no rate limit (limits: messages per call of reqwest alone, ${RATIO_LIMITS[0]} when Clerk ` +
  `responds at once, ${RATIO_LIMITS[100]} when it takes 100 ms)`;

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
      [`Clerk takes ${delay} ms: messages per second`, median(these.map(({ relay }) => relay)).toFixed(0)],
      ['  calls per second by reqwest alone', median(these.map(({ plain }) => plain)).toFixed(0)],
      ['  ratio', ratio.toFixed(3)],
    );
    if (!(ratio >= limit)) failures.push(`relay: ${ratio.toFixed(3)} messages per call of reqwest when Clerk takes ${delay} ms, the limit is ${limit}`);
  }
  return { columns: ['what', 'median'], rows, failures };
}
