// Copies Clerk's browser code from the npm packages to public/clerk, so that the app serves it from its own origin. The
// folder's name contains the version, so a URL's content never changes. Does nothing if the files are up to date.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'public/clerk');
const manifestFile = join(target, 'manifest.json');

const packages = {
  clerk_js: { name: '@clerk/clerk-js', folder: 'clerk-js', entry: 'clerk.browser.js' },
  clerk_ui: { name: '@clerk/ui', folder: 'ui', entry: 'ui.browser.js' },
};

// Crypto wallets: 1 MB that only an instance with wallet sign-in would ever ask for.
const wallets = /^(base-account-sdk|coinbase-wallet-sdk|web3-solana-wallet-buttons)_/;

const manifest = {};
const copies = [];
for (const [key, { name, folder, entry }] of Object.entries(packages)) {
  const source = join(root, 'end2end/node_modules', name);
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  manifest[key] = `/clerk/${folder}@${version}/${entry}`;
  copies.push({ source, entry, folder: `${folder}@${version}` });
}

const text = `${JSON.stringify(manifest)}\n`;
const done =
  existsSync(manifestFile) &&
  readFileSync(manifestFile, 'utf8') === text &&
  Object.values(manifest).every((path) => existsSync(join(root, 'public', path)));
if (!done) {
  rmSync(target, { recursive: true, force: true });
  for (const copy of copies) copyPackage(copy);
  // Last, so that a manifest always refers to complete folders.
  writeFileSync(manifestFile, text);
  console.log(`setup: copied Clerk's browser files to public/clerk (${copies.map((copy) => copy.folder).join(', ')})`);
}

function copyPackage({ source, entry, folder }) {
  const dist = join(source, 'dist');
  const temporary = join(target, `.${folder}`);
  mkdirSync(temporary, { recursive: true });
  for (const file of [entry, ...chunksOf(dist, entry)]) cpSync(join(dist, file), join(temporary, file));
  cpSync(join(source, 'LICENSE'), join(temporary, 'LICENSE'));
  renameSync(temporary, join(target, folder));
}

// A package holds several builds. A chunk is called <name>_<kind>_<build>_<version>.js,
// where <build> is the start of a hash in the entry file of the same build.
function chunksOf(dist, entry) {
  const code = readFileSync(join(dist, entry), 'utf8');
  const chunks = readdirSync(dist).filter((file) => {
    const build = /_([0-9a-f]{6})_[^_]+\.js$/.exec(file)?.[1];
    return build && code.includes(`"${build}`) && !wallets.test(file);
  });
  if (chunks.length === 0) throw new Error(`${dist}: no chunks of ${entry} found; has the naming changed?`);
  return chunks;
}
