// The standalone emulator, as another project uses it: its printed settings, and Clerk's own server library.
import { createClerkClient, verifyToken } from '@clerk/backend';
import { expect, test } from '@playwright/test';
import { Emulator } from './support/emulator.mjs';

const SEED = {
  users: [{ email: 'mary@example.test', password: 'a long password', first_name: 'Mary', public_metadata: { plan: 'pro', nested: { a: 1 } } }],
  claims_template: { plan: '{{user.public_metadata.plan}}' },
};

let emulator: Emulator;
let settings: Record<string, string>;

test.beforeAll(async () => {
  process.env.CLERK_TELEMETRY_DISABLED = '1';
  emulator = await Emulator.start({ seed: SEED });
  settings = emulator.settings;
});

test.afterAll(async () => emulator?.stop());

function client() {
  return createClerkClient({
    secretKey: settings.CLERK_SECRET_KEY,
    publishableKey: settings.CLERK_PUBLISHABLE_KEY,
    apiUrl: settings.CLERK_API_URL,
  });
}

test("Clerk's server library finds the seeded users and changes their metadata", async () => {
  const { data, totalCount } = await client().users.getUserList();
  expect(totalCount).toBe(1);
  const [mary] = data;
  expect(mary.primaryEmailAddress?.emailAddress).toBe('mary@example.test');

  await client().users.updateUserMetadata(mary.id, { publicMetadata: { nested: { b: 2 }, camelKey: true } });
  const changed = await client().users.updateUserMetadata(mary.id, { publicMetadata: { nested: { a: null } } });
  expect(changed.publicMetadata).toEqual({ plan: 'pro', nested: { b: 2 }, camelKey: true });
  expect(changed.updatedAt).toBeGreaterThan(mary.updatedAt);
});

test("Clerk's server library verifies the emulator's tokens, with the printed key and with fetched ones", async () => {
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

test("errors have Clerk's shape", async () => {
  await expect(client().users.getUser('user_unknown')).rejects.toMatchObject({ status: 404, errors: [{ code: 'resource_not_found' }] });
  const stranger = createClerkClient({ secretKey: 'sk_live_wrong', apiUrl: settings.CLERK_API_URL });
  await expect(stranger.users.getUserList()).rejects.toMatchObject({ status: 401 });
});
