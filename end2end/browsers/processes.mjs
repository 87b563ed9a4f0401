// Programs that the tests start. Each is ended by its own id, with what it has started itself, also when the tests end
// early.
import { spawn } from 'node:child_process';

const END_LIMIT_MS = 5_000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const started = new Set();
process.on('exit', () => started.forEach(kill));
// By themselves, signals end the tests without the line above.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** @param {string} program  @param {string[]} args  @param {import('node:child_process').SpawnOptions} options */
export function start(program, args, options) {
  // Detached: it leads a group of its own, which can be ended as one.
  const child = spawn(program, args, { ...options, detached: true });
  started.add(child);
  // Without a listener, a program that cannot be started would end the tests without a word of which it was.
  child.on('error', (error) => console.error(`${program}: ${error.message}`));
  return child;
}

/** @param {import('node:child_process').ChildProcess} child */
export async function end(child) {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    const late = setTimeout(() => kill(child), END_LIMIT_MS);
    await ended;
    clearTimeout(late);
  }
  kill(child);
  started.delete(child);
}

/** With all of its group. */
function kill({ pid }) {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
}
