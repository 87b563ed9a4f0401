// The cost of creating an organization. Over HTTP on 16 connections, with another user's token each time and the relay
// off, the server verifies the token, runs its transaction and responds. The yardstick is pgbench, which runs the same
// statements on the same database and as many connections, in alternating rounds: what Postgres alone needs.
//
// Organizations per CPU second are compared: over HTTP the CPU time of app and Postgres, with pgbench that of Postgres.
// The clients, Node.js and pgbench, are not counted. At a ratio of 1, the app would cost nothing.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, connections, measured, median } from './support/server.mjs';

const CONNECTIONS = 16;
/** Organizations per round and side. */
const COUNT = 2_400;
const ROUNDS = 3;
const WARM_UP = 480;
/** Organizations per CPU second over HTTP, divided by pgbench's. */
const RATIO_LIMIT = 0.5;

export const title =
  `Organizations, ${CONNECTIONS} connections, relay off, ${measured} ` +
  `(limit: organizations per CPU second over HTTP, ${RATIO_LIMIT} of pgbench's)`;

/** As `store` in src/server/organizations.rs and `begin` in src/server/tenancy.rs send them. */
const STATEMENTS = `
\\set number :number + 1
begin;
select set_config('role', 'authenticated', true), set_config('request.jwt.claims', format('{"role":"authenticated","sid":"sess_user_pgbench_%s_%s_%s","sub":"user_pgbench_%s_%s_%s"}', :round::text, :client_id::text, :number::text, :round::text, :client_id::text, :number::text), true);
select outcome, id, name, slug from vestibule.create_organization(new_id => uuidv7(), new_name => format('Organization pgbench-%s-%s-%s', :round::text, :client_id::text, :number::text), new_slug => format('pgbench-%s-%s-%s', :round::text, :client_id::text, :number::text), wanted_key => null, wanted_hash => '\\x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08');
commit;
`;

export async function measure() {
  const server = await Server.start(['--relay', 'off']);
  const folder = mkdtempSync(join(tmpdir(), 'vestibule-bench-'));
  const agent = connections(CONNECTIONS);
  try {
    const script = join(folder, 'create.sql');
    writeFileSync(script, STATEMENTS);
    const login = { user: 'vestibule_bench', password: randomBytes(16).toString('hex') };
    // With the privileges of the request login: only to become `authenticated`.
    server.sql(`create role ${login.user} login noinherit password '${login.password}'; grant authenticated to ${login.user}`);
    await overHttp(server, agent, 'warm', WARM_UP);
    byPgbench(server, login, script, 0, WARM_UP);
    const rounds = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      const http = await overHttp(server, agent, `round-${round}`, COUNT);
      const pgbench = byPgbench(server, login, script, round, COUNT);
      rounds.push({ http, pgbench, ratio: http.perProcessor / pgbench.perProcessor });
    }
    const stored = Number(server.sql('select count(*) from outbox_messages where delivered_at is null'));
    const expected = 2 * (WARM_UP + ROUNDS * COUNT);
    if (stored !== expected) throw new Error(`${stored} organizations were stored instead of ${expected}`);
    return report(rounds);
  } finally {
    agent.destroy();
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  }
}

/** Creates an organization for each of `count` users, as fast as the connections allow. */
async function overHttp(server, agent, name, count) {
  const tokens = await server.tokens(Array.from({ length: count }, (_, number) => `user_http_${name}_${number}`));
  let next = 0;
  const ask = async () => {
    while (next < count) {
      const number = next++;
      await server.create(tokens[number], `http-${name}-${number}`, agent);
    }
  };
  const before = { app: server.appSeconds(), postgres: server.postgresSeconds() };
  const began = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, ask));
  const seconds = (performance.now() - began) / 1000;
  const app = server.appSeconds() - before.app;
  const postgres = server.postgresSeconds() - before.postgres;
  return { perSecond: count / seconds, perProcessor: count / (app + postgres), appUs: (app / count) * 1e6, postgresUs: (postgres / count) * 1e6 };
}

function byPgbench(server, login, script, round, count) {
  const before = server.postgresSeconds();
  const output = server.pgbench(login, [
    ...['--no-vacuum', '--protocol=prepared', `--client=${CONNECTIONS}`, '--jobs=2', `--transactions=${count / CONNECTIONS}`],
    ...[`--define=round=${round}`, '--define=number=0', `--file=${script}`],
  ]);
  const postgres = server.postgresSeconds() - before;
  if (!/actually processed: (\d+)\/\1\b/.test(output)) throw new Error(`pgbench did not finish: ${output}`);
  const perSecond = Number(/^tps = ([\d.]+)/m.exec(output)[1]);
  return { perSecond, perProcessor: count / postgres, postgresUs: (postgres / count) * 1e6 };
}

function report(rounds) {
  const middle = (value, digits = 0) => median(rounds.map(value)).toFixed(digits);
  const ratio = median(rounds.map((round) => round.ratio));
  const rows = [
    ['over HTTP: organizations per second', middle(({ http }) => http.perSecond)],
    ['  per CPU second of app and Postgres', middle(({ http }) => http.perProcessor)],
    ['  CPU µs per organization, app', middle(({ http }) => http.appUs)],
    ['  CPU µs per organization, Postgres', middle(({ http }) => http.postgresUs)],
    ['pgbench: organizations per second', middle(({ pgbench }) => pgbench.perSecond)],
    ['  per CPU second of Postgres', middle(({ pgbench }) => pgbench.perProcessor)],
    ['  CPU µs per organization, Postgres', middle(({ pgbench }) => pgbench.postgresUs)],
    ['ratio of organizations per CPU second', ratio.toFixed(2)],
  ];
  const failures = [];
  if (ratio < RATIO_LIMIT) failures.push(`organizations: ${ratio.toFixed(2)} of pgbench's per CPU second, the limit is ${RATIO_LIMIT}`);
  return { columns: ['what', 'median'], rows, failures };
}
