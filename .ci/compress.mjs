// Compresses the static files: writes <file>.br and <file>.gz next to every larger file of a site folder, at the
// highest level. The server sends those and compresses no file itself.
//
//   node .ci/compress.mjs <site folder>     after each build, because cargo-leptos empties the folder
//
// Results are cached in target/compressed by content hash, so a second run takes a moment and a compressed file never
// belongs to older content. No .zst is written: level 22 is larger than brotli for every file here (our WASM of 371,395
// bytes: brotli 110,338, zstd 117,044, gzip 132,209), and browsers that support zstd support brotli.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants, gunzip, gzip } from 'node:zlib';

const COMPRESSIBLE = new Set(['.wasm', '.js', '.css', '.svg', '.json', '.html', '.txt']);
/** A smaller file fits into one packet with its headers. */
const LEAST_BYTES = 1024;
/** Cached results that no build has used for this long are deleted. */
const KEPT_DAYS = 30;

const [brotli, unbrotli, deflate, inflate] = [brotliCompress, brotliDecompress, gzip, gunzip].map((work) => promisify(work));
const FORMS = [
  {
    ending: '.br',
    compress: (content) =>
      brotli(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
    decompress: unbrotli,
  },
  { ending: '.gz', compress: (content) => deflate(content, { level: 9 }), decompress: inflate },
];
/** Written by this script or an earlier version of it. */
const COMPRESSED = new Set(['.br', '.gz', '.zst']);

const kept = fileURLToPath(new URL('../target/compressed', import.meta.url));
const site = process.argv[2];
if (!site) {
  console.error('usage: node .ci/compress.mjs <site folder>');
  process.exit(2);
}

const began = performance.now();
await mkdir(kept, { recursive: true });
const files = await filesIn(site);
const wanted = new Set();
const totals = { files: 0, plain: 0, '.br': 0, '.gz': 0 };
// zlib works in its own thread pool, which limits the concurrency.
await Promise.all(files.filter((file) => COMPRESSIBLE.has(extname(file))).map(compress));
await Promise.all(files.filter((file) => COMPRESSED.has(extname(file)) && !wanted.has(file)).map((file) => rm(file)));
await forgetUnused();

const kB = (bytes) => `${Math.round(bytes / 1000).toLocaleString('en-US')} kB`;
console.log(
  `Compressed ${totals.files} files of ${kB(totals.plain)}: ${kB(totals['.br'])} with brotli, ${kB(totals['.gz'])} with gzip, ` +
    `in ${((performance.now() - began) / 1000).toFixed(1)} s`,
);

/** Writes a file's compressed forms, unless they are up to date. */
async function compress(file) {
  const content = await readFile(file);
  if (content.length < LEAST_BYTES) return;
  const hash = createHash('sha256').update(content).digest('hex');
  totals.files += 1;
  totals.plain += content.length;
  await Promise.all(
    FORMS.map(async (form) => {
      const result = await compressed(content, hash, form);
      totals[form.ending] += Math.min(result.length, content.length);
      // A result that is not smaller is left out, and removed as a leftover.
      if (result.length >= content.length) return;
      const target = file + form.ending;
      wanted.add(target);
      const there = await readFile(target).catch(() => undefined);
      if (!there?.equals(result)) await write(target, result);
    }),
  );
}

/** The compressed form of this content: from the cache if intact, else compressed now and cached. */
async function compressed(content, hash, { ending, compress, decompress }) {
  const file = join(kept, hash + ending);
  const there = await readFile(file).catch(() => undefined);
  const whole = there && (await decompress(there).catch(() => undefined));
  if (whole?.equals(content)) {
    const now = new Date();
    await utimes(file, now, now);
    return there;
  }
  const made = await compress(content);
  await write(file, made);
  return made;
}

/** Writes atomically. */
async function write(file, content) {
  const temporary = `${file}.${randomUUID()}.new`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function forgetUnused() {
  const limit = Date.now() - KEPT_DAYS * 86_400_000;
  for (const name of await readdir(kept)) {
    const file = join(kept, name);
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Infinity }));
    if (mtimeMs < limit) await rm(file, { force: true });
  }
}

async function filesIn(folder) {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = entries.map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
  return (await Promise.all(found)).flat();
}
