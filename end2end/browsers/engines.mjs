// The engines other than Chromium, and what each needs on this machine.
//
//   node engines.mjs     prints what is missing, and exits with 1 if anything is
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isProgram } from '../tests/support/find-chromium.mjs';

export const engines = [
  { name: 'Firefox', needs: [{ programs: ['firefox-esr', 'firefox'], debian: 'firefox-esr' }] },
  {
    name: 'WebKitGTK',
    needs: [
      { programs: ['WebKitWebDriver'], debian: 'webkit2gtk-driver' },
      // It needs a screen for its windows.
      { programs: ['Xvfb'], debian: 'xvfb' },
    ],
  },
];

/** One line for each missing package of an engine. */
export function missing(engine) {
  return engine.needs
    .filter(({ programs }) => !find(...programs))
    .map(({ debian }) => `${debian} is not installed: ${engine.name} cannot be tested. Debian: sudo apt-get install ${debian}`);
}

/** The path of the first of these programs that exists. */
export function find(...programs) {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/bin'];
  return programs.flatMap((program) => folders.map((folder) => join(folder, program))).find(isProgram);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lines = engines.flatMap(missing);
  for (const line of lines) console.log(line);
  if (lines.length > 0) process.exitCode = 1;
}
