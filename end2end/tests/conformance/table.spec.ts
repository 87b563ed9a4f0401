// The conformance table in the repository, and whether it still tells the truth. It runs after the rows of this folder.
//
//   UPDATE_CONFORMANCE=1 playwright test tests/conformance     writes it from the rows and from what they saw in this run
//
// Otherwise it must say what the rows say.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@playwright/test';
import { backendRows } from './backend-rows';
import { browserRows } from './browser-rows';
import { developmentHandshakeRows, handshakeRows } from './handshake-rows';
import { developmentRows, requestRows } from './request-rows';
import { type Row, remembered, type Values } from './support/rows';

const FILE = fileURLToPath(new URL('../../conformance.md', import.meta.url));
const UPDATE = Boolean(process.env.UPDATE_CONFORMANCE);

const own = (begin: RegExp, rows: Row[]) => rows.filter(({ id }) => begin.test(id));
const production = [...requestRows, ...handshakeRows, ...backendRows];
const development = [...developmentRows, ...developmentHandshakeRows];

const SECTIONS: [string, Row[]][] = [
  ['2.1 Cookies, their suffix, the choice between them, and the Authorization header', own(/^2\.1-/, production)],
  ['2.2 What `authenticateRequest` decides, and why', own(/^2\.2-/, production)],
  ['3 Handshake and refresh', own(/^3\./, production)],
  ['2 and 3 in a development instance', development],
  ['5.6 What makes a change by the Backend API visible where, in the browser', browserRows],
  ['6 Backend API', own(/^6-/, production)],
];

const rows = SECTIONS.flatMap(([, own]) => own);

test('the conformance table says what the rows say', () => {
  const ids = rows.map(({ id }) => id);
  expect(new Set(ids).size, 'two rows have the same id').toBe(ids.length);
  expect(rows.length, 'a row belongs to no section').toBe(production.length + development.length + browserRows.length);
  if (UPDATE) {
    const missing = ids.filter((id) => !remembered(id));
    expect(missing, 'these rows did not run: run the whole folder').toEqual([]);
    writeFileSync(
      FILE,
      table(({ id, expected }) => (same(remembered(id), expected) ? 'the same' : words(remembered(id) ?? {}))),
    );
  }
  expect(readFileSync(FILE, 'utf8'), 'run it with UPDATE_CONFORMANCE=1, and look at what has changed').toBe(table(() => 'the same'));
});

function table(seen: (row: Row) => string): string {
  const sections = SECTIONS.map(([title, own]) => {
    const lines = own.map((row) => `| ${[row.id, row.call, words(row.expected), seen(row), row.remark ?? ''].map(cell).join(' | ')} |`);
    return `## ${title}\n\n| id | call | expected | seen | remarks |\n|---|---|---|---|---|\n${lines.join('\n')}\n`;
  });
  return `${introduction()}\n${sections.join('\n')}`;
}

function introduction(): string {
  return `# Conformance of the Clerk emulator

The official clients, unmodified (\`@clerk/backend\` ${version('@clerk/backend')}, \`@clerk/clerk-js\` ${version('@clerk/clerk-js')} in Chromium), meet \`vestibule emulator\`.
Each row is a test in [\`tests/conformance\`](tests/conformance), which runs with \`make test\`; this file is written by them
(\`UPDATE_CONFORMANCE=1\`) and compared with them in every other run. Numbers are sections of the protocol as the clients speak it.
"Expected" follows from the clients' source and from Clerk's specification; no real Clerk instance was asked. A remark that begins with "Differs"
names what the emulator does otherwise on purpose.

- "page" is a navigation (\`Sec-Fetch-Dest: document\`), "script" a request by a script; both are GET.
- Where nothing else is said, \`__session\` and \`__client_uat\` are there in both forms, and the sign-in was an hour ago.
- \`{…}\` stands for what differs from run to run. An empty value is one that is not there.
- In 5.6, "fresh" is with the change and "stale" as before it. All is read at once after the call, the cookie first.
- Not here, because no request can bring them about in this version of \`@clerk/backend\`: \`jwk-local-missing\`, \`jwk-remote-invalid\`,
  \`jwk-remote-missing\`, \`token-invalid-issuer\`, and as causes of a failed refresh \`missing-session-token\`, \`missing-refresh-token\` and
  \`expired-session-token-decode-failed\`. Satellite domains are left out.
`;
}

function words(values: Values): string {
  return Object.entries(values)
    .filter(([name, value]) => name !== 'reason' || value !== null)
    .map(([name, value]) => `${name}: ${value ?? ''}`)
    .join('; ');
}

/** Text for a cell of a table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/(https?:\/\/[^\s;,)]+|<[^>]+>)/g, '`$1`');
}

function same(seen: Values | undefined, expected: Values): boolean {
  return JSON.stringify(seen) === JSON.stringify(expected);
}

function version(name: string): string {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../../node_modules/${name}/package.json`, import.meta.url)), 'utf8')).version;
}
