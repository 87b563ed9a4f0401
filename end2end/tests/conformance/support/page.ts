// A bare page with the official clerk-js, served as an app would: the page, clerk-js's files, and the emulator's
// Frontend API under /__clerk. It contains no code of this project.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Emulator } from '../../support/emulator.mjs';
import { Relay, type Stub } from './relay';
import { backend, cookieSuffix, payload } from './visitor';

const FILES = fileURLToPath(new URL('../../../node_modules/@clerk/clerk-js/dist', import.meta.url));
const PREFIX = '/__clerk';

export function servePage(emulator: Emulator): Promise<Relay> {
  const { CLERK_PUBLISHABLE_KEY: key, CLERK_SECRET_KEY: secret } = emulator.settings;
  const html =
    '<!doctype html><title>A bare page</title>' +
    `<script src="/clerk/clerk.browser.js" crossorigin="anonymous" data-clerk-publishable-key="${key}" data-clerk-proxy-url="${PREFIX}"></script>`;
  return Relay.start({
    target: emulator.address,
    host: 'localhost',
    stub: ({ path, headers }) => {
      if (path === '/') return { contentType: 'text/html', body: html };
      if (path.startsWith('/clerk/')) return file(path);
      if (path === '/renew') return renew(emulator, headers.cookie ?? '');
      return path.startsWith(`${PREFIX}/v1/`) ? undefined : { status: 404, contentType: 'text/plain', body: '' };
    },
    // Like an app's proxy.
    rewrite: ({ path, headers }) => {
      const { host, connection, ...others } = headers;
      const own = { 'clerk-proxy-url': `http://${host}${PREFIX}`, 'clerk-secret-key': secret, 'x-forwarded-for': '127.0.0.1' };
      return { path: path.slice(PREFIX.length), headers: { ...others, ...own } };
    },
  });
}

function file(path: string): Stub {
  const name = join(FILES, basename(path));
  if (!existsSync(name)) return { status: 404, contentType: 'text/plain', body: '' };
  return { contentType: 'application/javascript', body: readFileSync(name, 'utf8') };
}

/** Sets the session cookies to a token from the Backend API, as an app's server might. */
async function renew(emulator: Emulator, cookies: string): Promise<Stub> {
  const { CLERK_PUBLISHABLE_KEY: key, CLERK_SECRET_KEY: secretKey } = emulator.settings;
  const token = /(?:^|; )__session=([^;]+)/.exec(cookies)?.[1] ?? '';
  const { jwt } = await backend({ address: emulator.address, secretKey }, `/sessions/${payload(token).sid}/tokens`, {});
  const names = ['__session', `__session_${cookieSuffix(key)}`];
  return { body: '{}', headers: { 'set-cookie': names.map((name) => `${name}=${jwt}; Path=/; Max-Age=31536000; SameSite=Lax`) } };
}
