// What 100,000 waiting messages cost while Clerk is down and the relay tries: memory of the server, and the time of a
// creation over HTTP beside the same with nothing waiting.
import { Server, connections, measured, median } from './support/server.mjs';

const USERS = 100_000;
const MEMORY_LIMIT_MB = 150;
/** A creation's time, for each of one with an empty outbox, which is measured half a minute before. */
const RATIO_LIMIT = 3;
/** Creations, one after the other. */
const CREATIONS = 150;
const WARM_UP = 50;
/** So many attempts must have failed before it is measured: more than the relay may make at once. */
const ATTEMPTS = 700;
const ATTEMPTS_LIMIT_MS = 60_000;

export const title =
  `${USERS.toLocaleString('en-US')} messages of as many users wait, Clerk is down, ${measured} ` +
  `(limits: ${MEMORY_LIMIT_MB} MB, a creation ${RATIO_LIMIT} times as long as with an empty outbox)`;

export async function measure() {
  const server = await Server.start();
  const agent = connections(1);
  try {
    await creations(server, agent, 'warm', WARM_UP);
    // Clerk is down here too. What that leaves behind is taken away, so the outbox is empty but for the one under way.
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
    if (waiting < USERS) throw new Error(`${waiting} messages wait at the end`);
    return report({ empty, full, before, after: server.memory(), tried, trying });
  } finally {
    agent.destroy();
    await server.stop();
  }
}

/** The times of creations, each of another user, in ms. */
async function creations(server, agent, name, count, afterwards = () => {}) {
  const tokens = await server.tokens(Array.from({ length: count }, (_, number) => `user_${name}_${number}`));
  const times = [];
  for (const [number, token] of tokens.entries()) {
    const sent = performance.now();
    const { delivery } = await server.create(token, `${name}-${number}`, agent);
    times.push(performance.now() - sent);
    if (delivery !== 'pending') throw new Error(`Clerk is down, and delivery is ${delivery}`);
    afterwards();
  }
  return median(times);
}

/** What the relay does when it has made use of all that was allowed at once. */
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

/** Waits until the relay has tried often. Gives how often. */
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
    [`MB resident after ${tried} attempts and ${CREATIONS} creations more`, after.now.toFixed(1)],
    ['  at most so far', after.peak.toFixed(1)],
    ['ms for a creation with an empty outbox', empty.toFixed(1)],
    ['ms for a creation while they wait', full.toFixed(1)],
    ['  ratio', ratio.toFixed(2)],
    ['attempts in a second, by the limit of calls', trying.attempts.toFixed(0)],
    ['  % of a processor for them, app', (trying.app * 100).toFixed(0)],
    ['  % of a processor for them, Postgres', (trying.postgres * 100).toFixed(0)],
  ];
  const failures = [];
  if (after.peak > MEMORY_LIMIT_MB) failures.push(`waiting: ${after.peak.toFixed(0)} MB resident, the limit is ${MEMORY_LIMIT_MB} MB`);
  if (ratio > RATIO_LIMIT) failures.push(`waiting: a creation takes ${ratio.toFixed(2)} times as long, the limit is ${RATIO_LIMIT}`);
  return { columns: ['what', 'value'], rows, failures };
}
