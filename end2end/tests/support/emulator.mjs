// The standalone Clerk emulator (`vestibule emulator`), in its own process and folder. The benchmarks use it too, so
// this file is not TypeScript.
import { spawn } from 'node:child_process';
import { createPrivateKey, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const BINARY = resolve(ROOT, process.env.VESTIBULE_BINARY ?? join(process.env.CARGO_TARGET_DIR ?? 'target', 'debug/vestibule'));

/** It generates two RSA keys before it answers. */
const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 10_000;

/**
 * Which users exist and what tokens carry: the content of the `--seed` file.
 * @typedef {{ users?: { email: string, password: string, first_name?: string, public_metadata?: object }[], claims_template?: object }} Seed
 *
 * @typedef {{ seed?: Seed, binary?: string, options?: string[], keep?: boolean }} Start
 *     keep: with a data directory, where `signer` finds the key; otherwise everything is in memory
 */

export class Emulator {
  /** The printed settings, by name. @type {Record<string, string>} */
  settings = {};
  /** From the start of the process to its last line, in ms. */
  startMs = 0;
  #child;
  #folder;
  #inbox = '';

  constructor({ seed, binary = BINARY, options = [], keep = false }) {
    this.#folder = mkdtempSync(join(tmpdir(), 'vestibule-emulator-'));
    const extra = [...options];
    if (seed) {
      writeFileSync(join(this.#folder, 'seed.json'), JSON.stringify(seed));
      extra.push('--seed', 'seed.json');
    }
    if (keep) extra.push('--data-dir', 'data');
    this.#child = spawn(binary, ['emulator', '--listen', '127.0.0.1:0', ...extra], {
      // Not the project's folder: its .env may hold anything.
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: environment(),
    });
  }

  /** @param {Start} start */
  static async start(start = {}) {
    const began = performance.now();
    const emulator = new Emulator(start);
    try {
      await emulator.#ready();
      emulator.startMs = performance.now() - began;
      return emulator;
    } catch (error) {
      await emulator.stop();
      throw error;
    }
  }

  get pid() {
    return this.#child.pid;
  }

  /** Base address of both APIs. */
  get address() {
    return this.settings.CLERK_API_URL;
  }

  /** The page with e-mail codes, token included. */
  get inboxUrl() {
    return this.#inbox;
  }

  /** Makes it slow, stale or broken. Replaces earlier settings. */
  async setFaults(settings) {
    await this.#control({ method: 'PUT', body: JSON.stringify(settings) });
  }

  /** Makes it healthy again. */
  async resetFaults() {
    await this.#control({ method: 'DELETE' });
  }

  async #control(init) {
    const url = new URL(this.#inbox);
    url.pathname = '/control';
    const response = await fetch(url, init);
    if (!response.ok) throw new Error(`the emulator answered ${response.status}: ${await response.text()}`);
  }

  /** The last webhooks, newest first. */
  async webhooks() {
    const url = new URL(this.#inbox);
    url.pathname = '/webhooks.json';
    return (await fetch(url)).json();
  }

  /** Signs tokens that the emulator would never issue. Only with `keep`. */
  signer() {
    return signerOf(join(this.#folder, 'data', 'keys.json'));
  }

  /** Stops it and deletes its folder. */
  async stop() {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const forced = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await ended;
      clearTimeout(forced);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Reads the printed settings up to the final comment. A quoted value is JSON, as the PEM is. */
  async #ready() {
    const deadline = setTimeout(() => this.#child.kill('SIGKILL'), START_LIMIT_MS);
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const inbox = /^# .*?(http:\S+)$/.exec(line);
      if (inbox) {
        this.#inbox = inbox[1];
        clearTimeout(deadline);
        return;
      }
      const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
      if (name && value !== undefined) this.settings[name] = value.startsWith('"') ? JSON.parse(value) : value;
    }
    throw new Error('the emulator ended before it had printed its settings');
  }
}

/** Our environment without an app's settings, which the emulator would warn about. */
function environment() {
  const settings = /^(CLERK_|DATABASE_|AUTH_|LEPTOS_|VESTIBULE_|PUBLIC_ORIGIN$|LISTEN$)/;
  return { RUST_LOG: 'warn', ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !settings.test(name))) };
}

/**
 * A signer with the key in an emulator's data directory, for tokens that are invalid in one point only.
 * @param {string} file
 * @returns {(header: Record<string, unknown>, claims: unknown) => string}
 */
export function signerOf(file) {
  const { private_key_pkcs8, key_id } = JSON.parse(readFileSync(file, 'utf8'));
  const key = createPrivateKey({ key: Buffer.from(private_key_pkcs8, 'base64'), format: 'der', type: 'pkcs8' });
  return signWith(key, { alg: 'RS256', typ: 'JWT', kid: key_id, cat: 'cl_B7d4PD111AAA' });
}

/**
 * @param {import('node:crypto').KeyObject} key
 * @param {Record<string, unknown>} usual  the default header; a field set to undefined is left out
 * @returns {(header: Record<string, unknown>, claims: unknown) => string}
 */
export function signWith(key, usual) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return (header, claims) => {
    const whole = { ...usual, ...header };
    const message = `${part(whole)}.${part(claims)}`;
    const hash = `RSA-SHA${String(whole.alg).slice(2) || 256}`;
    return `${message}.${sign(/^RS\d+$/.test(String(whole.alg)) ? hash : 'RSA-SHA256', Buffer.from(message), key).toString('base64url')}`;
  };
}
