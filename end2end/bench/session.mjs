// The server's cost of authenticating a request: verifying a session token by every rule, the same token again
// (cached), and the gate's decision. The yardstick is jsonwebtoken alone, on the same token in the same run.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');

/** Relative to the yardstick. */
const VERIFY_RATIO = 1.3;
const AGAIN_NS = 1_500;
const DECIDE_NS = 200;

export const title =
  `Authenticating a request (limits: verification ${VERIFY_RATIO} times jsonwebtoken alone, the same token again ${AGAIN_NS} ns, ` +
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
  if (verify / yardstick > VERIFY_RATIO) failures.push(`verification takes ${times(verify)} times jsonwebtoken, the limit is ${VERIFY_RATIO}`);
  if (again > AGAIN_NS) failures.push(`the same token again takes ${Math.round(again)} ns, the limit is ${AGAIN_NS} ns`);
  if (decide > DECIDE_NS) failures.push(`the gate takes ${Math.round(decide)} ns, the limit is ${DECIDE_NS} ns`);
  return { columns: ['', 'ns, median', 'times'], rows, failures };
}

/** The median from criterion's files, in nanoseconds. */
function median(name) {
  const file = join(TARGET, 'criterion', name, 'new', 'estimates.json');
  return JSON.parse(readFileSync(file, 'utf8')).median.point_estimate;
}
