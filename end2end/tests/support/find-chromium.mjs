// Finds a Chromium on this machine: one list for .ci/setup, the tests and the benchmarks.
//
//   node find-chromium.mjs     prints the path, or exits with 1 if there is none
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const places = [
  '/usr/bin/chromium',
  ...['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].flatMap(onPath),
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

// As root there is no sandbox anyway; the other flags keep the browser from calling the outside world.
export const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The path of the system's Chromium, or undefined. CHROMIUM_PATH is taken as it is. */
export function systemChromium() {
  return process.env.CHROMIUM_PATH || places.find(isProgram);
}

function onPath(name) {
  return (process.env.PATH ?? '').split(delimiter).filter(Boolean).map((folder) => join(folder, name));
}

/** Whether this path is an executable. */
export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let path = systemChromium();
  if (!path) {
    // The one that `playwright install` may have downloaded.
    const { chromium } = await import('@playwright/test');
    path = chromium.executablePath();
  }
  if (!isProgram(path)) process.exit(1);
  console.log(path);
}
