// Runs the commands of docs/emulator.md for using the emulator without a browser, with other ports and paths, and compares
// the responses it shows.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@playwright/test';
import { BINARY } from './support/emulator.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GUIDE = 'docs/emulator.md';
const SECTION = '## Try it without a browser\n';

let folder: string;
const started: ChildProcess[] = [];

test.beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vestibule-plain-node-'));
});

test.afterAll(async () => {
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

test('the steps in the guide give the responses it shows', async () => {
  const [emulator, server, client, ...others] = blocks();
  expect(others).toEqual([]);

  start(changed(emulator, { 'cargo run -p clerk-emulator': `${BINARY} emulator --listen 127.0.0.1:0` }));
  const file = join(folder, 'clerk.env');
  await expect.poll(() => (existsSync(file) ? readFileSync(file, 'utf8') : '')).toContain('# E-mail codes arrive at');

  const { stdout } = start(changed(server, { 'end2end/examples': join(ROOT, 'end2end/examples') }), { PORT: '0' });
  const lines = createInterface({ input: stdout! });
  const [address] = await once(lines, 'line');

  const output = await promisify(execFile)('bash', ['-euc', changed(client, { 'http://127.0.0.1:8080': address, 'curl http': 'curl -s http' })], {
    cwd: folder,
  });
  const answers = client.split('\n').filter((line) => /^# [[{]/.test(line));
  expect(answers.length).toBe(3);
  expect(output.stdout.trim().split('\n')).toEqual(answers.map((answer) => expect.stringMatching(pattern(answer.slice(2)))));
});

/** The shell blocks of the section. */
function blocks(): string[] {
  const text = readFileSync(join(ROOT, GUIDE), 'utf8');
  const [, rest] = text.split(SECTION);
  expect(rest, `${GUIDE} has no section "${SECTION.trim()}"`).toBeDefined();
  const section = rest.split(/^##/m)[0];
  return [...section.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block]) => block);
}

/** Replaces these texts, which must be present. */
function changed(block: string, texts: Record<string, string>): string {
  for (const [from, to] of Object.entries(texts)) {
    expect(block).toContain(from);
    block = block.replaceAll(from, to);
  }
  return block;
}

/** Matches a line as the guide shows it: … stands for any word. */
function pattern(answer: string): RegExp {
  const escaped = answer.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('\\w+')}$`);
}

/** Starts a long-running command in place of its shell. */
function start(block: string, variables: Record<string, string> = {}): ChildProcess {
  const settings = Object.entries(process.env).filter(([name]) => !name.startsWith('CLERK_'));
  const child = spawn('bash', ['-euc', `exec ${block}`], {
    cwd: folder,
    env: { ...Object.fromEntries(settings), CLERK_TELEMETRY_DISABLED: '1', RUST_LOG: 'warn', ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  return child;
}
