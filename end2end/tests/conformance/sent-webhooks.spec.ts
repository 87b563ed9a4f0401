// The emulator sends webhooks, and the official verifyWebhook() of @clerk/backend receives them.
import { createClerkClient } from '@clerk/backend';
import { expect, test } from '@playwright/test';
import { Emulator } from '../support/emulator.mjs';
import { Receiver } from './support/receiver';
import { testRows } from './support/rows';
import { USER, signIn } from './support/shared';
import { webhookRows } from './webhook-rows';

let receiver: Receiver;
let emulator: Emulator;
let users = 0;

test.beforeAll(async () => {
  process.env.CLERK_TELEMETRY_DISABLED = '1';
  receiver = await Receiver.start();
  emulator = await Emulator.start({ keep: true, options: ['--webhook-url', receiver.url], seed: { users: [USER] } });
});

test.afterEach(async () => {
  await emulator.resetFaults();
  // A row may check only one of several events: the next row starts once all are delivered.
  await expect.poll(async () => (await emulator.webhooks()).filter(({ state }: { state: string }) => state === 'waiting')).toEqual([]);
  receiver.forget();
});

test.afterAll(async () => {
  await emulator?.stop();
  await receiver?.stop();
});

testRows(webhookRows, async (row) => {
  const { CLERK_SECRET_KEY: secretKey, CLERK_WEBHOOK_SIGNING_SECRET: secret } = emulator.settings;
  const clerk = createClerkClient({ secretKey, apiUrl: emulator.address });
  users += 1;
  const user = await clerk.users.createUser({ emailAddress: [`user-${users}@example.test`], password: 'a long password' });
  await receiver.next('user.created');
  const its = await signIn(emulator);
  await receiver.next('session.created');
  return row.see({ clerk, user, its, emulator, receiver, secret });
});
