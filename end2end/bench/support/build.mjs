// The measured build: VESTIBULE_BINARY and SITE_ROOT, else the release build, else the debug build.
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? 'target';
const builds = [
  { binary: join(target, 'release/vestibule'), site: 'target/site-release' },
  { binary: join(target, 'debug/vestibule'), site: 'target/site' },
];
const found = builds.find(({ binary }) => existsSync(resolve(ROOT, binary))) ?? builds[0];

export const build = {
  binary: resolve(ROOT, process.env.VESTIBULE_BINARY ?? found.binary),
  site: resolve(ROOT, process.env.SITE_ROOT ?? found.site),
};

/** For titles. */
export const measured = relative(ROOT, build.binary);
