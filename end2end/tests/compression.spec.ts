// Compression on the wire: files as the build compressed them, documents compressed on the fly.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { App } from './support/app.mjs';
import { expect, test } from './support/test';

interface Answer {
  status?: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A raw request: unlike Playwright and fetch, nothing decodes the body. */
function ask(app: App, path: string, acceptEncoding: string, method = 'GET'): Promise<Answer> {
  return new Promise((done, fail) => {
    const headers = { 'accept-encoding': acceptEncoding };
    const outgoing = request(new URL(path, app.origin), { method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', fail);
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }));
    });
    outgoing.on('error', fail);
    outgoing.end();
  });
}

/** Our largest file: its path, and its content in each encoding. */
function wasm(app: App) {
  const folder = join(app.site, 'pkg');
  const name = readdirSync(folder).find((file) => file.endsWith('.wasm'))!;
  const content = (ending: string) => readFileSync(join(folder, name + ending));
  return { path: `/pkg/${name}`, plain: content(''), br: content('.br'), gz: content('.gz') };
}

test('the WASM is served in the smallest accepted encoding, as the build compressed it', async ({ app }) => {
  const { path, plain, br, gz } = wasm(app);
  expect(brotliDecompressSync(br).equals(plain)).toBe(true);
  expect(gunzipSync(gz).equals(plain)).toBe(true);
  for (const [accepted, encoding, form] of [
    ['gzip, deflate, br, zstd', 'br', br],
    ['br', 'br', br],
    ['gzip', 'gzip', gz],
    ['identity', undefined, plain],
    ['zstd', undefined, plain],
  ] as const) {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await ask(app, path, accepted, method);
      expect({ status, encoding: headers['content-encoding'], vary: headers.vary, type: headers['content-type'] }, `${method} ${accepted}`).toEqual({
        status: 200,
        encoding,
        vary: 'accept-encoding',
        type: 'application/wasm',
      });
      expect(headers['content-length']).toBe(String(form.length));
      expect(headers['cache-control']).toContain('immutable');
      expect(body.equals(method === 'GET' ? form : Buffer.alloc(0))).toBe(true);
    }
  }
});

test("browsers get brotli, for our files and for Clerk's", async ({ page, context, clerk }) => {
  await clerk.signedIn(context);
  const [ours, clerks] = await Promise.all([
    page.waitForResponse(/\/pkg\/.*\.wasm$/),
    page.waitForResponse(/\/clerk\/.*\.js$/),
    page.goto('/onboarding'),
  ]);
  expect(await ours.headerValue('content-encoding')).toBe('br');
  expect(await clerks.headerValue('content-encoding')).toBe('br');
});

test('documents are compressed on the fly', async ({ app }) => {
  const plain = await ask(app, '/', 'identity');
  expect(plain.headers['content-encoding']).toBeUndefined();
  const { headers, body } = await ask(app, '/', 'gzip, br');
  expect([headers['content-encoding'], headers.vary, plain.headers.vary]).toEqual(['br', 'accept-encoding', 'accept-encoding']);
  expect(brotliDecompressSync(body).toString()).toContain('<!DOCTYPE html>');
  expect(body.length).toBeLessThan(plain.body.length);
});

test('a compressed file without its original is not served', async ({ app }) => {
  const name = `gone-${randomBytes(4).toString('hex')}.js`;
  const leftover = join(app.site, 'pkg', `${name}.br`);
  writeFileSync(leftover, wasm(app).br);
  try {
    for (const method of ['GET', 'HEAD']) expect((await ask(app, `/pkg/${name}`, 'br', method)).status).toBe(404);
  } finally {
    rmSync(leftover);
  }
});

test('the build compresses what is worth it, updates what has changed, and removes leftovers', async () => {
  const site = mkdtempSync(join(tmpdir(), 'vestibule-site-'));
  const compress = () => promisify(execFile)(process.execPath, [fileURLToPath(new URL('../../.ci/compress.mjs', import.meta.url)), site]);
  const pkg = join(site, 'pkg');
  const write = (name: string, content: string | Buffer) => writeFileSync(join(pkg, name), content);
  const text = (word: string) => `${word} is written often. `.repeat(100);
  try {
    mkdirSync(pkg);
    write('a.js', text('This'));
    write('small.css', 'a {}');
    write('noise.wasm', randomBytes(5_000));
    write('a.ts', text('A type'));
    write('gone.js.br', 'left over');
    write('old.js.zst', 'left over');
    // As if it belonged to other content.
    write('noise.wasm.gz', 'wrong');
    await compress();
    const names = ['a.js', 'a.js.br', 'a.js.gz', 'a.ts', 'noise.wasm', 'small.css'];
    expect(readdirSync(pkg).sort()).toEqual(names);

    const [first, second] = [text('This'), text('That')];
    const decoded = () => [brotliDecompressSync(readFileSync(join(pkg, 'a.js.br'))), gunzipSync(readFileSync(join(pkg, 'a.js.gz')))].map(String);
    expect(decoded()).toEqual([first, first]);
    write('a.js', second);
    await compress();
    expect(decoded()).toEqual([second, second]);
    await compress();
    expect(readdirSync(pkg).sort()).toEqual(names);
  } finally {
    rmSync(site, { recursive: true });
  }
});
