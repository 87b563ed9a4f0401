// What a browser downloads of the app's own code: the release build's WASM and JavaScript, compressed
// as hard as a static file can be. Clerk's files are not the app's and not counted.
import { readFileSync, readdirSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

/** Bytes after brotli, for the pages with islands; the others load none of it. */
const LIMIT = 120_000;
const COUNTED = new Set(['.wasm', '.js']);

const pkg = join(fileURLToPath(new URL('../..', import.meta.url)), process.env.SITE_ROOT ?? 'target/site-release', 'pkg');

export const title = 'Payload in bytes (limit: 120 kB of WASM and JavaScript after brotli)';

export async function measure() {
  const rows = filesIn(pkg)
    .filter((file) => COUNTED.has(extname(file)))
    .map((file) => {
      const content = readFileSync(file);
      return [relative(pkg, file), content.length, brotli(content)];
    })
    .sort((one, other) => other[2] - one[2]);
  if (!rows.some(([name]) => name.endsWith('.wasm'))) throw new Error(`no WASM in ${pkg}: run "make build-release" first`);

  const total = rows.reduce((sum, row) => sum + row[2], 0);
  const raw = rows.reduce((sum, row) => sum + row[1], 0);
  return {
    columns: ['file', 'raw', 'brotli'],
    rows: [...rows, ['total', raw, total]],
    failures: total > LIMIT ? [`payload: ${total} bytes after brotli, the limit is ${LIMIT}`] : [],
  };
}

function brotli(content) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  return brotliCompressSync(content, { params }).length;
}

function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}
