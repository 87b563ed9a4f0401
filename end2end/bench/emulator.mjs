// A load test of the Clerk emulator with 10,000 users: start-up time, memory, and tokens per second. Load tests of an
// app must measure the app, not the emulator.
//
// A token should cost little more than its RSA signature. So the yardstick is the signatures that node:crypto makes per
// second on one core, measured right before and after. At a ratio of 1, a core does nothing but sign.
//
//   VESTIBULE_BINARY   which build; without it the release build, else the debug build
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { Emulator } from '../tests/support/emulator.mjs';
import { build, measured } from './support/build.mjs';

const USERS = 10_000;
/** How often it is started. The median counts, because the time to generate RSA keys varies. */
const STARTS = 5;
/** Concurrent requests, each on its own connection. */
const CONNECTIONS = 16;
/** How many users' sessions request tokens. */
const SESSIONS = 100;
const WARM_UP_MS = 500;
/** The load comes in rounds, with the yardstick before and after each. The median round counts. */
const ROUNDS = 5;
const LOAD_MS = 1_000;
const YARDSTICK_MS = 400;
/** About the size of a session token's signed part. */
const MESSAGE_BYTES = 600;

/** Linux's unit in /proc. */
const TICKS_PER_SECOND = 100;

const START_LIMIT_MS = 1_000;
const MEMORY_LIMIT_MB = 80;
/** Tokens per signature of the yardstick. */
const RATIO_LIMIT = 0.4;
const ORIGIN = 'http://localhost:3000';

const { binary } = build;

export const title =
  `Emulator with ${USERS.toLocaleString('en-US')} users, ${measured} (limits: start ${START_LIMIT_MS} ms, ` +
  `${MEMORY_LIMIT_MB} MB, ${RATIO_LIMIT} tokens per RS256 signature of node:crypto on one core)`;

export async function measure() {
  const starts = [];
  for (let start = 1; start < STARTS; start += 1) {
    const emulator = await begin();
    starts.push(emulator.startMs);
    await emulator.stop();
  }
  const emulator = await begin();
  try {
    starts.push(emulator.startMs);
    await emulator.setFaults({ rate_limits: 'off' });
    const before = residentMegabytes(emulator.pid);
    const backend = await load(emulator, await backendCalls(emulator));
    const frontend = await load(emulator, await frontendCalls(emulator));
    return report({ starts, before, after: residentMegabytes(emulator.pid), backend, frontend });
  } finally {
    await emulator.stop();
  }
}

function begin() {
  const users = Array.from({ length: USERS }, (_, number) => ({
    email: `user-${number}@example.test`,
    password: 'correct horse battery',
    first_name: 'User',
    last_name: String(number),
    public_metadata: { activeOrgId: `org-${number}`, onboardingComplete: true, role: 'member' },
  }));
  return Emulator.start({ binary, seed: { users } });
}

/** Tokens by the Backend API, for sessions without a browser. */
async function backendCalls(emulator) {
  const headers = { authorization: `Bearer ${emulator.settings.CLERK_SECRET_KEY}`, 'content-type': 'application/json' };
  const calls = [];
  for (const user of await someUsers(emulator, headers)) {
    const session = await post(emulator, '/v1/sessions', headers, JSON.stringify({ user_id: user.id }));
    calls.push({ path: `/v1/sessions/${session.json.id}/tokens`, headers });
  }
  return calls;
}

/** Tokens by the Frontend API, each for its own browser. */
async function frontendCalls(emulator) {
  const { CLERK_SECRET_KEY: secret } = emulator.settings;
  const backend = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };
  const form = {
    origin: ORIGIN,
    'content-type': 'application/x-www-form-urlencoded',
    'clerk-proxy-url': `${ORIGIN}/__clerk`,
    'clerk-secret-key': secret,
  };
  const calls = [];
  for (const user of await someUsers(emulator, backend)) {
    const ticket = await post(emulator, '/v1/sign_in_tokens', backend, JSON.stringify({ user_id: user.id }));
    const signedIn = await post(emulator, '/v1/client/sign_ins', form, `strategy=ticket&ticket=${ticket.json.token}`);
    const cookie = signedIn.headers['set-cookie'].find((line) => line.startsWith('__client=')).split(';')[0];
    const [session] = signedIn.json.client.sessions;
    calls.push({ path: `/v1/client/sessions/${session.id}/tokens`, headers: { ...form, cookie } });
  }
  return calls;
}

async function someUsers(emulator, headers) {
  const response = await fetch(new URL(`/v1/users?limit=${SESSIONS}`, emulator.address), { headers });
  if (!response.ok) throw new Error(`GET /v1/users answered ${response.status}`);
  return response.json();
}

/** Keeps all connections busy with the calls, round-robin, and counts. */
async function load(emulator, calls) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let next = 0;
  const round = async (ms) => {
    const times = [];
    const began = performance.now();
    const ask = async () => {
      while (performance.now() - began < ms) {
        const { path, headers } = calls[next++ % calls.length];
        const sent = performance.now();
        const { json } = await post(emulator, path, headers, '', agent);
        if (!json.jwt) throw new Error(`${path} returned no token`);
        times.push(performance.now() - sent);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, ask));
    return { times: times.sort(ascending), perSecond: (times.length * 1000) / (performance.now() - began) };
  };
  try {
    await round(WARM_UP_MS);
    const rounds = [];
    let before = signaturesPerSecond();
    while (rounds.length < ROUNDS) {
      const cpu = cpuMs(emulator.pid);
      const { times, perSecond } = await round(LOAD_MS);
      const used = (cpuMs(emulator.pid) - cpu) / times.length;
      const after = signaturesPerSecond();
      const yardstick = (before + after) / 2;
      rounds.push({
        perSecond,
        yardstick,
        ratio: perSecond / yardstick,
        used,
        p50: times[times.length >> 1],
        p99: times[Math.floor(times.length * 0.99)],
      });
      before = after;
    }
    return rounds.sort((one, other) => one.ratio - other.ratio)[ROUNDS >> 1];
  } finally {
    agent.destroy();
  }
}

function post(emulator, path, headers, body, agent) {
  return new Promise((done, fail) => {
    const outgoing = request(
      new URL(path, emulator.address),
      { method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(body) }, agent },
      (answer) => {
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('error', fail);
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (answer.statusCode !== 200) fail(new Error(`${path} answered ${answer.statusCode}: ${text}`));
          else done({ json: JSON.parse(text), headers: answer.headers });
        });
      },
    );
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

function signaturesPerSecond() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const message = Buffer.alloc(MESSAGE_BYTES, 'x');
  const began = performance.now();
  let count = 0;
  while (performance.now() - began < YARDSTICK_MS) {
    sign('RSA-SHA256', message, privateKey);
    count += 1;
  }
  return (count * 1000) / (performance.now() - began);
}

/** The resident set of a process. */
function residentMegabytes(pid) {
  const status = `/proc/${pid}/status`;
  const kilobytes = existsSync(status)
    ? /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(status, 'utf8'))[1]
    : execFileSync('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(kilobytes) / 1024;
}

/** A process's CPU time in ms. NaN if the system does not report it. */
function cpuMs(pid) {
  const stat = `/proc/${pid}/stat`;
  if (!existsSync(stat)) return Number.NaN;
  const [user, system] = readFileSync(stat, 'utf8').split(') ')[1].split(' ').slice(11, 13);
  return (Number(user) + Number(system)) * (1000 / TICKS_PER_SECOND);
}

const ascending = (one, other) => one - other;

function report({ starts, before, after, backend, frontend }) {
  const start = starts.sort(ascending)[STARTS >> 1];
  const tokens = (name, { perSecond, yardstick, ratio, used, p50, p99 }) => [
    [`${name} API: tokens per second`, perSecond.toFixed(0)],
    ['  signatures per second by node:crypto', yardstick.toFixed(0)],
    ['  ratio', ratio.toFixed(2)],
    ['  CPU ms per token', used.toFixed(2)],
    ['  latency in ms, median', p50.toFixed(1)],
    ['  latency in ms, 99th percentile', p99.toFixed(1)],
  ];
  const rows = [
    ['ms from start to ready, median', start.toFixed(0)],
    ['  minimum', starts[0].toFixed(0)],
    ['  maximum', starts.at(-1).toFixed(0)],
    ['MB resident when ready', before.toFixed(1)],
    ['MB resident after the load', after.toFixed(1)],
    ...tokens('Backend', backend),
    ...tokens('Frontend', frontend),
  ];
  const failures = [];
  if (start > START_LIMIT_MS) failures.push(`emulator: ready after ${start.toFixed(0)} ms, the limit is ${START_LIMIT_MS} ms`);
  if (after > MEMORY_LIMIT_MB) failures.push(`emulator: ${after.toFixed(0)} MB resident, the limit is ${MEMORY_LIMIT_MB} MB`);
  for (const [name, { ratio }] of Object.entries({ backend, frontend })) {
    if (ratio < RATIO_LIMIT) failures.push(`emulator: ${ratio.toFixed(2)} tokens per signature by the ${name} API, the limit is ${RATIO_LIMIT}`);
  }
  return { columns: ['what', 'value'], rows, failures };
}
