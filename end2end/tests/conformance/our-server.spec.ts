// The same requests that the official @clerk/backend authenticates, sent to our own server: the same status, reason,
// token and cookies, except for the differences that our-differences.ts lists with their reasons.
import { expect, test } from '@playwright/test';
import { App, type ClerkKind } from '../support/app.mjs';
import { Clerk } from '../support/clerk';
import { newUser } from '../support/users';
import { differences, faults, leftOut } from './our-differences';
import { developmentRows, type RequestRow, requestRows } from './request-rows';
import { ourAnswer } from './support/our-server';
import { backend, Visitor } from './support/visitor';

/** Only the library has these: its console output and what it throws. */
const NOT_OURS = ['says', 'firstLine', 'throws'];

const needsNoKeys = ({ id }: RequestRow) => faults[id]?.path_starts_with === '/v1/jwks';

function rowsOf(kind: ClerkKind, rows: RequestRow[]): void {
  test.describe(`with a ${kind} instance`, () => {
    let app: App;
    let clerk: Clerk;
    let visitor: Visitor;

    test.beforeAll(async () => {
      test.setTimeout(90_000);
      app = await App.start(undefined, kind);
      clerk = new Clerk(app);
      visitor = await signIn(app);
    });

    test.afterAll(async () => app?.dispose());

    const send = (row: RequestRow) =>
      test(`${row.id} ${row.call}`, async () => {
        const fault = faults[row.id];
        if (fault) await clerk.setFaults({ faults: [{ count: 1, ...fault }] });
        const all = await ourAnswer(row, await visitor.renewed());
        if (fault) expect(await clerk.faultsLeft()).toEqual([0]);
        const difference = differences[row.id]?.ours ?? {};
        const expected = { ...Object.fromEntries(Object.entries(row.expected).filter(([name]) => !NOT_OURS.includes(name))), ...difference };
        expect(Object.fromEntries(Object.keys(expected).map((name) => [name, all[name] ?? null]))).toEqual(expected);
        for (const [name, value] of Object.entries(difference)) expect(value, `${name} does not differ`).not.toEqual(row.expected[name]);
      });

    const asked = rows.filter((row) => !leftOut(row));
    for (const row of asked.filter((row) => !needsNoKeys(row))) send(row);

    test.describe('in a process without keys', () => {
      test.beforeEach(async () => {
        test.setTimeout(90_000);
        await app.restart();
        // The emulator has another port now.
        visitor.app.address = app.dev.api_url;
      });
      for (const row of asked.filter(needsNoKeys)) send(row);
    });
  });
}

/** A new user of the app's own emulator. */
async function signIn(app: App): Promise<Visitor> {
  const { origin, publishable_key: publishableKey, secret_key: secretKey, api_url: address } = app.dev;
  const { email, password } = newUser();
  await backend({ address, secretKey }, '/users', { email_address: [email], password });
  return Visitor.signIn({ origin, publishableKey, secretKey, address, sign: app.signer() }, { email, password });
}

rowsOf('production', requestRows);
rowsOf('development', developmentRows);
