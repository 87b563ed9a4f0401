// WebKitGTK, driven by its own WebKitWebDriver: classic WebDriver, which is JSON over HTTP.
//
//   https://www.w3.org/TR/webdriver2/
import { createServer } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { find } from './engines.mjs';
import { findVisible } from './page.mjs';
import { end, start } from './processes.mjs';
import { recordProblems, recordedProblems } from './recorder.mjs';
import { until } from './wait.mjs';

const ENTER = '\uE007';
/** The key of an element reference. */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
// Do not wait for the page to load: the problem recorder must start early.
const CAPABILITIES = { pageLoadStrategy: 'none' };

export async function launch() {
  const folder = mkdtempSync(join(tmpdir(), 'vestibule-webkit-'));
  const screen = start(find('Xvfb'), ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  let number = '';
  screen.stdio[3].on('data', (chunk) => (number += chunk));
  await until('a screen', () => number.endsWith('\n'));

  const port = await freePort();
  const driver = start(find('WebKitWebDriver'), ['--host=local', `--port=${port}`], {
    stdio: 'ignore',
    env: {
      ...process.env,
      DISPLAY: `:${number.trim()}`,
      GDK_BACKEND: 'x11',
      // Ignores the developer's desktop: no settings, no proxy, no files.
      GSETTINGS_BACKEND: 'memory',
      GIO_USE_PROXY_RESOLVER: 'dummy',
      NO_AT_BRIDGE: '1',
      XDG_DATA_HOME: folder,
      XDG_CACHE_HOME: folder,
      XDG_CONFIG_HOME: folder,
    },
  });
  const call = caller(`http://127.0.0.1:${port}`);
  await until('an answer of WebKitWebDriver', async () => (await call('GET', '/status')).ready);

  return {
    /** A session with its own cookies. Only one can exist at a time. */
    async window() {
      const { sessionId } = await call('POST', '/session', { capabilities: { alwaysMatch: CAPABILITIES } });
      return session((method, path, body) => call(method, `/session/${sessionId}${path}`, body));
    },
    async close() {
      await end(driver);
      await end(screen);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

function session(call) {
  const evaluate = (fn, ...args) => call('POST', '/execute/sync', { script: `return (${fn}).apply(null, arguments)`, args });
  return {
    goto: (url) => call('POST', '/url', { url }),
    url: () => call('GET', '/url'),
    evaluate,
    cookies: () => call('GET', '/cookie'),
    problems: () => evaluate(recordedProblems),
    close: () => call('DELETE', ''),
    async element(css, text) {
      await evaluate(recordProblems);
      const id = (await evaluate(findVisible, css, text))?.[ELEMENT];
      if (!id) return undefined;
      return {
        type: (keys) => call('POST', `/element/${id}/value`, { text: keys.replaceAll('\n', ENTER) }),
        click: () => call('POST', `/element/${id}/click`, {}),
      };
    },
  };
}

function caller(origin) {
  return async (method, path, body) => {
    const response = await fetch(origin + path, { method, body: body && JSON.stringify(body) });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
