// What judging a request costs on the server: a session token verified with every rule, the same token again, and the
// gate's decision. The yardstick is jsonwebtoken alone, on the same token in the same run.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');

/** Times the yardstick. */
const VERIFY_RATIO = 1.3;
const AGAIN_NS = 1_500;
const DECIDE_NS = 200;

export const title =
  `Judging a request (limits: verification ${VERIFY_RATIO} times jsonwebtoken alone, the same token again ${AGAIN_NS} ns, ` +
  `the gate ${DECIDE_NS} ns)`;

export async function measure() {
  const cargo = ['bench', '--quiet', '--no-default-features', '--features', 'dev', '--bench', 'session', '--', '--quiet', '--measurement-time', '3', '--warm-up-time', '1'];
  execFileSync('cargo', cargo, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  const [yardstick, verify, again, decide] = ['jsonwebtoken', 'verify', 'verify again', 'decide'].map(median);
  const times = (ns) => (ns / yardstick).toFixed(2);
  const rows = [
    ['jsonwebtoken alone', Math.round(yardstick), '1.00'],
    ['verification, every rule', Math.round(verify), times(verify)],
    ['the same token again', Math.round(again), times(again)],
    ['decide', Math.round(decide), times(decide)],
  ];
  const failures = [];
  if (verify / yardstick > VERIFY_RATIO) failures.push(`verification takes ${times(verify)} times jsonwebtoken, and ${VERIFY_RATIO} is allowed`);
  if (again > AGAIN_NS) failures.push(`the same token again takes ${Math.round(again)} ns, and ${AGAIN_NS} are allowed`);
  if (decide > DECIDE_NS) failures.push(`the gate takes ${Math.round(decide)} ns, and ${DECIDE_NS} are allowed`);
  return { columns: ['', 'ns, median', 'times'], rows, failures };
}

/** As criterion wrote it down, in nanoseconds. */
function median(name) {
  const file = join(TARGET, 'criterion', name, 'new', 'estimates.json');
  return JSON.parse(readFileSync(file, 'utf8')).median.point_estimate;
}
