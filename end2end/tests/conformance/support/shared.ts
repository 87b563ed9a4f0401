// One emulator and one signed-in user for all rows of a file.
import type { test as Test } from '@playwright/test';
import { Emulator, type Start } from '../../support/emulator.mjs';
import { Visitor } from './visitor';

/** Nothing listens there: the app is only an origin. */
const ORIGIN = 'http://localhost:3000';
export const USER = { email: 'mary@example.test', password: 'a long password' };

/** Signs the user in at an emulator that stores its key. */
export function signIn(emulator: Emulator): Promise<Visitor> {
  const { CLERK_PUBLISHABLE_KEY: publishableKey, CLERK_SECRET_KEY: secretKey, CLERK_JWT_KEY: jwtKey } = emulator.settings;
  return Visitor.signIn({ origin: ORIGIN, publishableKey, secretKey, address: emulator.address, jwtKey, sign: emulator.signer() }, USER);
}

export function shared(test: typeof Test, { seed, options }: Pick<Start, 'seed' | 'options'> = {}) {
  let emulator: Emulator;
  let visitor: Visitor;

  test.beforeAll(async () => {
    process.env.CLERK_TELEMETRY_DISABLED = '1';
    emulator = await Emulator.start({ keep: true, options, seed: { users: [USER], ...seed } });
    visitor = await signIn(emulator);
  });

  test.afterAll(async () => emulator?.stop());

  return {
    /** The user, with new tokens. */
    visitor: () => visitor.renewed(),
    emulator: () => emulator,
  };
}
