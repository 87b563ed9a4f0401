// Programs that the tests start. Each is ended by its own id, together with its children, even if the tests end early.
import { spawn } from 'node:child_process';

const END_LIMIT_MS = 5_000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const started = new Set();
process.on('exit', () => started.forEach(kill));
// By default, signals end the tests without an `exit` event.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** @param {string} program  @param {string[]} args  @param {import('node:child_process').SpawnOptions} options */
export function start(program, args, options) {
  // Detached: it leads its own process group, which can be ended as one.
  const child = spawn(program, args, { ...options, detached: true });
  started.add(child);
  // Without a listener, a program that cannot start would end the tests without naming itself.
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

/** Kills its whole process group. */
function kill({ pid }) {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has already ended.
  }
}
