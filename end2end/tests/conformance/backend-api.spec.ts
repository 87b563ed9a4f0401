// The official @clerk/backend calls the emulator's Backend API.
import { createClerkClient } from '@clerk/backend';
import { test } from '@playwright/test';
import { backendRows } from './backend-rows';
import { type Passed, Relay } from './support/relay';
import { testRows, type Values } from './support/rows';
import { shared } from './support/shared';

const { visitor, emulator } = shared(test);

let relay: Relay;
let users = 0;

test.beforeAll(async () => {
  relay = await Relay.start({ target: emulator().address });
});

test.afterEach(async () => emulator().resetFaults());
test.afterAll(async () => relay?.stop());

const client = (apiUrl: string) => {
  const { CLERK_SECRET_KEY: secretKey, CLERK_PUBLISHABLE_KEY: publishableKey } = emulator().settings;
  return createClerkClient({ secretKey, publishableKey, apiUrl });
};

testRows(backendRows, async (row) => {
  const before = client(emulator().address);
  users += 1;
  const user = await before.users.createUser({ emailAddress: [`user-${users}-of-many@example.test`], password: 'a long password' });
  const others: Relay[] = [];
  const context = {
    clerk: client(relay.origin),
    before,
    user,
    its: await visitor(),
    emulator: emulator(),
    withContentType: async (contentType: string) => {
      others.push(await Relay.start({ target: emulator().address, contentType }));
      return client(others[0].origin);
    },
    byHand: (method: string, path: string, { headers, body }: { headers?: Record<string, string>; body?: string } = {}) =>
      fetch(new URL(path, relay.origin), {
        method,
        headers: { authorization: `Bearer ${emulator().settings.CLERK_SECRET_KEY}`, 'content-type': 'application/json', ...headers },
        body,
      }),
  };
  const from = relay.passed.length;
  try {
    const seen = await row.see(context);
    return { ...onTheWire(relay.passed.slice(from)), ...seen };
  } catch (error) {
    return { ...onTheWire(relay.passed.slice(from)), ...thrown(error as ApiError) };
  } finally {
    await Promise.all(others.map((other) => other.stop()));
  }
});

/** The recorded calls, without what differs from run to run. Sorted, because some are concurrent. */
function onTheWire(passed: Passed[]): Values {
  const kinds: Record<string, string> = { user: 'user', sess: 'session', client: 'client', sit: 'sign-in token', jtmp: 'template' };
  const path = (text: string) => text.replace(/\b(user|sess|client|sit|jtmp)_\w{27}/g, (_, kind) => `{${kinds[kind]}}`);
  return {
    wire: passed
      .map((call) => `${call.method} ${path(call.path)}`)
      .sort()
      .join(', '),
    status: passed.map((call) => call.status).join(', '),
    content: [...new Set(passed.map((call) => call.contentType))].join(', '),
    version: String(passed[0]?.headers['clerk-api-version']),
  };
}

interface ApiError extends Error {
  status?: number;
  errors?: { code: string; meta?: { paramName?: string } }[];
  clerkTraceId?: string;
  retryAfter?: number;
}

function thrown(error: ApiError): Values {
  // Anything else is a bug in the test.
  if (!error.errors) throw error;
  return {
    throws: error.constructor.name,
    error: error.status ?? null,
    code: error.errors[0]?.code ?? null,
    parameter: error.errors[0]?.meta?.paramName ?? null,
    trace: Boolean(error.clerkTraceId),
    retryAfter: error.retryAfter ?? null,
  };
}
