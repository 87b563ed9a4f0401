// The emulator by itself, as another project uses it: its printed settings, and Clerk's own server library.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClerkClient, verifyToken } from '@clerk/backend';
import { expect, test } from '@playwright/test';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BINARY = resolve(ROOT, process.env.VESTIBULE_BINARY ?? join(process.env.CARGO_TARGET_DIR ?? 'target', 'debug/vestibule'));
/** It makes two RSA keys before it answers. */
const START_LIMIT_MS = 20_000;

const SEED = {
  people: [{ email: 'mary@example.test', password: 'a long password', first_name: 'Mary', public_metadata: { plan: 'pro', nested: { a: 1 } } }],
  claims_template: { plan: '{{user.public_metadata.plan}}' },
};

let folder: string;
let child: ChildProcess;
let settings: Record<string, string>;

test.beforeAll(async () => {
  process.env.CLERK_TELEMETRY_DISABLED = '1';
  folder = mkdtempSync(join(tmpdir(), 'vestibule-emulator-'));
  writeFileSync(join(folder, 'seed.json'), JSON.stringify(SEED));
  child = spawn(BINARY, ['emulator', '--listen', '127.0.0.1:0', '--seed', join(folder, 'seed.json')], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  settings = await printedSettings(child);
});

test.afterAll(async () => {
  if (child.exitCode === null) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Reads lines up to the comment that ends them. A value in quotes is JSON, as the PEM is. */
async function printedSettings(process: ChildProcess): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const deadline = setTimeout(() => process.kill('SIGKILL'), START_LIMIT_MS);
  for await (const line of createInterface({ input: process.stdout! })) {
    if (line.startsWith('#')) {
      clearTimeout(deadline);
      return found;
    }
    const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
    if (name && value !== undefined) found[name] = value.startsWith('"') ? JSON.parse(value) : value;
  }
  throw new Error('the emulator ended before it printed its settings');
}

function client() {
  return createClerkClient({
    secretKey: settings.CLERK_SECRET_KEY,
    publishableKey: settings.CLERK_PUBLISHABLE_KEY,
    apiUrl: settings.CLERK_API_URL,
  });
}

test("Clerk's server library finds the seeded people and changes their metadata", async () => {
  const { data, totalCount } = await client().users.getUserList();
  expect(totalCount).toBe(1);
  const [mary] = data;
  expect(mary.primaryEmailAddress?.emailAddress).toBe('mary@example.test');

  await client().users.updateUserMetadata(mary.id, { publicMetadata: { nested: { b: 2 }, camelKey: true } });
  const changed = await client().users.updateUserMetadata(mary.id, { publicMetadata: { nested: { a: null } } });
  expect(changed.publicMetadata).toEqual({ plan: 'pro', nested: { b: 2 }, camelKey: true });
  expect(changed.updatedAt).toBeGreaterThan(mary.updatedAt);
});

test("Clerk's server library verifies the emulator's tokens, with the printed key and with the fetched ones", async () => {
  const [mary] = (await client().users.getUserList()).data;
  const session = await client().sessions.createSession({ userId: mary.id });
  const { jwt } = await client().sessions.getToken(session.id);

  for (const how of [
    { jwtKey: settings.CLERK_JWT_KEY },
    { secretKey: settings.CLERK_SECRET_KEY, apiUrl: settings.CLERK_API_URL },
  ]) {
    const claims = await verifyToken(jwt, how);
    expect(claims).toMatchObject({ sub: mary.id, sid: session.id, iss: settings.CLERK_ISSUER, plan: 'pro' });
    expect(claims.exp - claims.iat).toBe(60);
  }
});

test('what is wrong is said as Clerk says it', async () => {
  await expect(client().users.getUser('user_nobody')).rejects.toMatchObject({ status: 404, errors: [{ code: 'resource_not_found' }] });
  const stranger = createClerkClient({ secretKey: 'sk_live_wrong', apiUrl: settings.CLERK_API_URL });
  await expect(stranger.users.getUserList()).rejects.toMatchObject({ status: 401 });
});
