// Svix's own library signs webhooks, our running server verifies and applies them, so a shared mistake cannot hide. The
// app has two secrets, as while an operator rotates them.
import { expect, test } from '@playwright/test';
import { Webhook } from 'svix';
import { App } from './support/app.mjs';
import { Emulator } from './support/emulator.mjs';

const secretOf = (byte: number) => `whsec_${Buffer.alloc(24, byte).toString('base64')}`;
const [OLD, NEW, STRANGER] = [secretOf(1), secretOf(2), secretOf(3)];
const ADA = { email: 'ada@example.test', password: 'a long password' };
let messages = 0;
/** The time of each change at Clerk, in ms: later than the last one. */
let changes = Date.now() + 60_000;

let emulator: Emulator;
let app: App;
let ada: { id: string; token: () => Promise<string> };

interface Message {
  body: string;
  id?: string;
  at?: Date;
  secrets?: string[];
  /** `svix`, as Clerk sends them, or `webhook`, as the standard does. */
  headers?: string;
  /** The body that arrives instead of the signed one. */
  arrives?: string;
}

test.beforeAll(async () => {
  emulator = await Emulator.start({ seed: { users: [ADA] } });
  const CLERK_WEBHOOK_SIGNING_SECRET = `${NEW},${OLD}`;
  app = await App.start(undefined, 'production', { ...emulator.settings, CLERK_WEBHOOK_SIGNING_SECRET });
  ada = await signIn();
  const created = await call('/api/organizations/create', { 'content-type': 'application/json' }, '{"name":"Acme","slug":"acme"}');
  expect(created.status).toBe(201);
});

test.afterAll(async () => {
  await app?.dispose();
  await emulator?.stop();
});

const APPLIED: [string, string, Partial<Message>, ((body: string) => string)?][] = [
  ['a plain body', 'Ada', {}],
  ['letters of several alphabets', 'Zoë Łukasiewicz 東京 🚀', {}],
  ['the same letters, escaped', 'Łucja Żółć', {}, (body) => body.replace(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)],
  ['a body with line breaks and spaces', 'Grace', {}, (body) => `\r\n${JSON.stringify(JSON.parse(body), null, '\t')}\n `],
  ['the old secret', 'Hedy', { secrets: [OLD] }],
  ['both secrets, as while Svix rotates them', 'Joan', { secrets: [OLD, NEW] }],
  ['an unknown secret and a known one', 'Radia', { secrets: [STRANGER, NEW] }],
  ['almost five minutes ago', 'Barbara', { at: new Date(Date.now() - 280_000) }],
];

for (const [what, name, message, written = (body: string) => body] of APPLIED) {
  test(`applied: ${what}`, async () => {
    const body = written(userUpdated(name));
    expect(await send({ body, ...message })).toEqual({ status: 200, answer: { received: 'stored' } });
    await expect.poll(shownNames).toContain(name);
  });
}

const REJECTED: [string, string, (message: Message) => Message][] = [
  ['a changed byte', 'no signature fits', (message) => ({ ...message, arrives: message.body.replace('Eve', 'Evi') })],
  ['an extra byte', 'no signature fits', (message) => ({ ...message, arrives: `${message.body}\n` })],
  ['another encoding of the same character', 'no signature fits', (message) => ({ ...message, arrives: message.body.replace('Ø', '\\u00d8') })],
  ['an unknown secret', 'no signature fits', (message) => ({ ...message, secrets: [STRANGER] })],
  ['more than five minutes ago', 'older than five minutes', (message) => ({ ...message, at: new Date(Date.now() - 310_000) })],
  ['more than five minutes in the future', 'in the future', (message) => ({ ...message, at: new Date(Date.now() + 310_000) })],
  ["the standard's header names, which Clerk does not send", 'svix-id', (message) => ({ ...message, headers: 'webhook' })],
];

for (const [what, cause, corrupted] of REJECTED) {
  test(`rejected: ${what}`, async () => {
    const message = { body: userUpdated('Eve Ø'), id: newId() };
    const valid = `Frances ${message.id}`;
    const { status, answer } = await send(corrupted(message));
    expect({ status, code: answer.code }).toEqual({ status: 401, code: 'signature_refused' });
    expect(answer.message).toContain(cause);
    // The id is still unused: nothing was stored under it.
    expect(await send({ ...message, body: userUpdated(valid) })).toEqual({ status: 200, answer: { received: 'stored' } });
    await expect.poll(shownNames).toContain(valid);
  });
}

test('a repeated message is a duplicate', async () => {
  const message = { body: userUpdated('Annie'), id: newId() };
  expect((await send(message)).answer).toEqual({ received: 'stored' });
  expect((await send(message)).answer).toEqual({ received: 'duplicate' });
});

/** Signs and sends a message as Svix does. */
async function send({ body, id = newId(), at = new Date(), secrets = [NEW], headers = 'svix', arrives = body }: Message) {
  const signature = secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(' ');
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const response = await fetch(`${app.origin}/api/webhooks/clerk`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [`${headers}-id`]: id, [`${headers}-timestamp`]: timestamp, [`${headers}-signature`]: signature },
    body: arrives,
  });
  return { status: response.status, answer: await response.json() };
}

function newId(): string {
  messages += 1;
  return `msg_svix_${messages}`;
}

/** Clerk's event for a changed user. */
function userUpdated(name: string): string {
  changes += 1;
  const email = { id: 'idn_1', object: 'email_address', email_address: ADA.email, linked_to: [], verification: { status: 'verified' } };
  return JSON.stringify({
    data: { id: ada.id, object: 'user', first_name: name, last_name: null, primary_email_address_id: 'idn_1', email_addresses: [email], updated_at: changes },
    object: 'event',
    type: 'user.updated',
    timestamp: changes,
    instance_id: 'ins_1',
  });
}

/** Signs the seeded user in through our proxy. */
async function signIn() {
  const form = (path: string, fields: Record<string, string>, headers = {}) =>
    fetch(`${app.origin}/__clerk/v1${path}`, { method: 'POST', headers: { origin: app.origin, ...headers }, body: new URLSearchParams(fields) });
  const response = await form('/client/sign_ins', { strategy: 'password', identifier: ADA.email, password: ADA.password });
  const cookie = response.headers.getSetCookie().map((set) => set.split(';')[0]).join('; ');
  const [session] = (await response.json()).client.sessions;
  const token = async () => (await (await form(`/client/sessions/${session.id}/tokens`, {}, { cookie })).json()).jwt;
  return { id: session.user.id as string, token };
}

async function call(path: string, headers: Record<string, string>, body?: string) {
  return fetch(app.origin + path, { method: body ? 'POST' : 'GET', headers: { authorization: `Bearer ${await ada.token()}`, ...headers }, body });
}

/** The dashboard's HTML, which names its members. */
async function shownNames(): Promise<string> {
  return (await call('/dashboard', { accept: 'text/html' })).text();
}
