// The cost of 100,000 pending messages while Clerk is down and the relay retries: the server's memory, and the time of
// a creation over HTTP compared with an empty outbox.
import { Server, connections, measured, median } from './support/server.mjs';

const USERS = 100_000;
const MEMORY_LIMIT_MB = 150;
/** A creation's time relative to one with an empty outbox, measured half a minute earlier. */
const RATIO_LIMIT = 3;
/** Creations, one after the other. */
const CREATIONS = 150;
const WARM_UP = 50;
/** How many attempts must have failed before measuring: more than the relay's burst. */
const ATTEMPTS = 700;
const ATTEMPTS_LIMIT_MS = 60_000;

export const title =
  `${USERS.toLocaleString('en-US')} pending messages, one per user, Clerk is down, ${measured} ` +
  `(limits: ${MEMORY_LIMIT_MB} MB, a creation ${RATIO_LIMIT} times as long as with an empty outbox)`;

export async function measure() {
  const server = await Server.start();
  const agent = connections(1);
  try {
    await creations(server, agent, 'warm', WARM_UP);
    // Clerk is down here, too. Undelivered messages are deleted, so the outbox holds only the one in flight.
    const empty = await creations(server, agent, 'empty', CREATIONS, () => server.sql('delete from outbox_messages'));
    const before = server.memory();
    server.sql(
      `insert into outbox_messages (user_id, kind, payload, created_at, available_at)
       select 'user_waiting_' || number, 'update_user_metadata',
              jsonb_build_object('public_metadata', jsonb_build_object('activeOrgId', gen_random_uuid(), 'onboardingComplete', true)),
              now(), now()
       from generate_series(1, ${USERS}) as number`,
    );
    const tried = await attempted(server);
    const trying = await duringThreeSeconds(server);
    const full = await creations(server, agent, 'full', CREATIONS);
    const waiting = Number(server.sql('select count(*) from outbox_messages where delivered_at is null and dead_at is null'));
    if (waiting < USERS) throw new Error(`only ${waiting} messages are pending at the end`);
    return report({ empty, full, before, after: server.memory(), tried, trying });
  } finally {
    agent.destroy();
    await server.stop();
  }
}

/** The median time of creations, each for another user, in ms. */
async function creations(server, agent, name, count, afterwards = () => {}) {
  const tokens = await server.tokens(Array.from({ length: count }, (_, number) => `user_${name}_${number}`));
  const times = [];
  for (const [number, token] of tokens.entries()) {
    const sent = performance.now();
    const { delivery } = await server.create(token, `${name}-${number}`, agent);
    times.push(performance.now() - sent);
    if (delivery !== 'pending') throw new Error(`Clerk is down, but delivery is ${delivery}`);
    afterwards();
  }
  return median(times);
}

/** The relay's steady rate, once its burst is used up. */
async function duringThreeSeconds(server) {
  const look = () => ({ attempts: attempts(server), app: server.appSeconds(), postgres: server.postgresSeconds(), at: performance.now() });
  const begin = look();
  await pause(3_000);
  const end = look();
  const perSecond = (name) => ((end[name] - begin[name]) * 1_000) / (end.at - begin.at);
  return { attempts: perSecond('attempts'), app: perSecond('app'), postgres: perSecond('postgres') };
}

function attempts(server) {
  return Number(server.sql('select coalesce(sum(attempts), 0) from outbox_messages'));
}

/** Waits for enough attempts of the relay. Returns their number. */
async function attempted(server) {
  const deadline = performance.now() + ATTEMPTS_LIMIT_MS;
  for (;;) {
    const made = attempts(server);
    if (made >= ATTEMPTS) return made;
    if (performance.now() > deadline) throw new Error(`the relay made ${made} attempts in ${ATTEMPTS_LIMIT_MS / 1000} s`);
    await pause(200);
  }
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

function report({ empty, full, before, after, tried, trying }) {
  const ratio = full / empty;
  const rows = [
    ['MB resident with an empty outbox', before.now.toFixed(1)],
    [`MB resident after ${tried} attempts and ${CREATIONS} more creations`, after.now.toFixed(1)],
    ['  peak', after.peak.toFixed(1)],
    ['ms per creation with an empty outbox', empty.toFixed(1)],
    ['ms per creation while messages are pending', full.toFixed(1)],
    ['  ratio', ratio.toFixed(2)],
    ['attempts per second, rate-limited', trying.attempts.toFixed(0)],
    ['  % CPU for them, app', (trying.app * 100).toFixed(0)],
    ['  % CPU for them, Postgres', (trying.postgres * 100).toFixed(0)],
  ];
  const failures = [];
  if (after.peak > MEMORY_LIMIT_MB) failures.push(`waiting: ${after.peak.toFixed(0)} MB resident, the limit is ${MEMORY_LIMIT_MB} MB`);
  if (ratio > RATIO_LIMIT) failures.push(`waiting: a creation takes ${ratio.toFixed(2)} times as long, the limit is ${RATIO_LIMIT}`);
  return { columns: ['what', 'value'], rows, failures };
}
