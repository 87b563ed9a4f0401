// What creating an organization costs. Over HTTP on 16 connections, with a token of another person each time and the
// relay off: the server verifies the token, runs its transaction and answers. The yardstick is pgbench, which runs the
// same statements on the same database, on as many connections, in rounds in between: what Postgres alone needs.
//
// Compared are organizations for each second of a processor. Over HTTP that is what the app and Postgres use, with pgbench
// only what Postgres uses; those who ask, Node.js and pgbench itself, are not counted. A ratio of 1 is an app that costs
// nothing.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, connections, measured, median } from './support/server.mjs';

const CONNECTIONS = 16;
/** Organizations in each round, on each side. */
const COUNT = 2_400;
const ROUNDS = 3;
const WARM_UP = 480;
/** Organizations for each second of a processor, over HTTP for each of pgbench's. */
const RATIO_LIMIT = 0.5;

export const title =
  `Organizations, ${CONNECTIONS} connections, relay off, ${measured} ` +
  `(limit: for each processor second of app and Postgres over HTTP ${RATIO_LIMIT} of what pgbench makes for one of Postgres)`;

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
    // With the rights of the login for requests: none but to become `authenticated`.
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
    if (stored !== expected) throw new Error(`${stored} organizations were stored, and ${expected} were asked for`);
    return report(rounds);
  } finally {
    agent.destroy();
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  }
}

/** Creates organizations of so many people, as fast as the connections let it. */
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
  if (!/actually processed: (\d+)\/\1\b/.test(output)) throw new Error(`pgbench did not do all of it: ${output}`);
  const perSecond = Number(/^tps = ([\d.]+)/m.exec(output)[1]);
  return { perSecond, perProcessor: count / postgres, postgresUs: (postgres / count) * 1e6 };
}

function report(rounds) {
  const middle = (value, digits = 0) => median(rounds.map(value)).toFixed(digits);
  const ratio = median(rounds.map((round) => round.ratio));
  const rows = [
    ['over HTTP: organizations in a second', middle(({ http }) => http.perSecond)],
    ['  for each processor second of app and Postgres', middle(({ http }) => http.perProcessor)],
    ['  µs of a processor for one, app', middle(({ http }) => http.appUs)],
    ['  µs of a processor for one, Postgres', middle(({ http }) => http.postgresUs)],
    ['pgbench: organizations in a second', middle(({ pgbench }) => pgbench.perSecond)],
    ['  for each processor second of Postgres', middle(({ pgbench }) => pgbench.perProcessor)],
    ['  µs of a processor for one, Postgres', middle(({ pgbench }) => pgbench.postgresUs)],
    ['ratio of those for each processor second', ratio.toFixed(2)],
  ];
  const failures = [];
  if (ratio < RATIO_LIMIT) failures.push(`organizations: ${ratio.toFixed(2)} of pgbench's for each processor second, the limit is ${RATIO_LIMIT}`);
  return { columns: ['what', 'median'], rows, failures };
}
