// The server alone, for measurements: the app and its Postgres, with an unreachable Clerk and our own key, so that no
// other process does work for it. Queries use Debian's psql, measurements its pgbench.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { App } from '../../tests/support/app.mjs';
import { build } from './build.mjs';

export { measured } from './build.mjs';

/** Linux's unit in /proc. */
const TICKS_PER_SECOND = 100;
/** Longer than a measurement. Clerk's tokens live for a minute, and cost the same. */
const TOKEN_LIFETIME_S = 3_600;
/** The host in the publishable key: one that only an emulator can have. */
const HOST = 'bench.emulator.localhost';
const DATABASE = 'vestibule';

const signed = promisify(sign);

export class Server {
  #app;
  #key;
  #postgres;

  /** @param {string[]} options  options of `vestibule dev` */
  static async start(options = []) {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const variables = {
      CLERK_PUBLISHABLE_KEY: `pk_live_${Buffer.from(`${HOST}$`).toString('base64')}`,
      CLERK_SECRET_KEY: 'sk_live_only_for_measurements',
      CLERK_API_URL: `http://127.0.0.1:${await closedPort()}`,
      CLERK_JWT_KEY: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    };
    return new Server(await App.start(build, 'production', variables, options), privateKey);
  }

  constructor(app, key) {
    this.#app = app;
    this.#key = key;
    const folder = join(app.data, 'postgres');
    const [pid, , , port] = readFileSync(join(folder, 'pgdata/postmaster.pid'), 'utf8').split('\n');
    this.#postgres = { pid: Number(pid), port, password: readFileSync(join(folder, 'password'), 'utf8').trim() };
  }

  get pid() {
    return this.#app.dev.pid;
  }

  /** Session tokens for these users, as Clerk would issue them for users without an organization. */
  async tokens(users) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const header = part({ alg: 'RS256', cat: 'cl_B7d4PD111AAA', kid: 'ins_bench', typ: 'JWT' });
    const one = async (user) => {
      const message = `${header}.${part({
        azp: this.#app.origin,
        exp: now + TOKEN_LIFETIME_S,
        fva: [0, -1],
        iat: now,
        iss: `https://${HOST}`,
        nbf: now - 10,
        publicMetadata: { activeOrgId: null, onboardingComplete: null, role: null },
        sid: `sess_${user}`,
        sts: 'active',
        sub: user,
        v: 2,
      })}`;
      return `${message}.${(await signed('RSA-SHA256', Buffer.from(message), this.#key)).toString('base64url')}`;
    };
    return Promise.all(users.map(one));
  }

  /** Creates the first organization of a token's user. Returns the response. */
  create(token, slug, agent) {
    const body = JSON.stringify({ name: `Organization ${slug}`, slug });
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    return new Promise((done, fail) => {
      const url = new URL('/api/organizations/create', this.#app.origin);
      const outgoing = request(url, { method: 'POST', headers, agent }, (answer) => {
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('error', fail);
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (answer.statusCode !== 201) fail(new Error(`a creation failed with ${answer.statusCode}: ${text}`));
          else done(JSON.parse(text));
        });
      });
      outgoing.on('error', fail);
      outgoing.end(body);
    });
  }

  /** Runs a statement as administrator. Returns the result as text. */
  sql(statement) {
    const options = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set', 'ON_ERROR_STOP=1'];
    return execFileSync('psql', [...options, '--command', statement], { env: this.#login(), encoding: 'utf8' }).trim();
  }

  /** Runs pgbench with a login other than the administrator's. */
  pgbench(login, options) {
    return execFileSync('pgbench', options, { env: this.#login(login), encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** The app's CPU time in seconds. */
  appSeconds() {
    return used(this.pid, 11, 12);
  }

  /** Postgres's CPU time in seconds: the main process, its children, and those that have ended. */
  postgresSeconds() {
    const { pid } = this.#postgres;
    const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === pid);
    return children.reduce((sum, child) => sum + used(child, 11, 12), used(pid, 11, 12, 13, 14));
  }

  /** The app's resident memory in MB, now and at its peak. */
  memory() {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const megabytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)[1]) / 1024;
    return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') };
  }

  stop() {
    return this.#app.dispose();
  }

  #login({ user, password } = { user: 'postgres', password: this.#postgres.password }) {
    const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
    const { port } = this.#postgres;
    return { ...Object.fromEntries(ours), PGHOST: '127.0.0.1', PGPORT: port, PGDATABASE: DATABASE, PGUSER: user, PGPASSWORD: password };
  }
}

/** Keep-alive connections. */
export function connections(count) {
  return new Agent({ keepAlive: true, maxSockets: count });
}

export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The fields of /proc/PID/stat after the name, which may hold anything. Empty: the process has ended. */
function stat(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ').map(Number);
  } catch {
    return [];
  }
}

function parentOf(pid) {
  return stat(pid)[1];
}

function used(pid, ...fields) {
  const all = stat(pid);
  return fields.reduce((sum, field) => sum + (all[field] ?? 0), 0) / TICKS_PER_SECOND;
}

/** A port on which nothing listens. */
async function closedPort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
