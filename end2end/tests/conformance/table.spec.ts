// The conformance tables in the repository, and whether they still tell the truth. It runs after the rows of this folder.
//
//   UPDATE_CONFORMANCE=1 playwright test tests/conformance     writes them from the rows and from what they saw in this run
//
// Otherwise they must say what the rows say.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@playwright/test';
import { backendRows } from './backend-rows';
import { browserRows } from './browser-rows';
import { developmentHandshakeRows, handshakeRows } from './handshake-rows';
import { differences, leftOut } from './our-differences';
import { developmentRows, requestRows } from './request-rows';
import { line, words } from './support/markdown';
import { type Row, remembered, type Values } from './support/rows';
import { webhookRows } from './webhook-rows';

const FILE = fileURLToPath(new URL('../../conformance.md', import.meta.url));
const SERVER_FILE = fileURLToPath(new URL('../../conformance-server.md', import.meta.url));
const UPDATE = Boolean(process.env.UPDATE_CONFORMANCE);

const own = (begin: RegExp, rows: Row[]) => rows.filter(({ id }) => begin.test(id));
const production = [...requestRows, ...handshakeRows, ...backendRows, ...webhookRows];
const development = [...developmentRows, ...developmentHandshakeRows];

const SECTIONS: [string, Row[]][] = [
  ['2.1 Cookies, their suffix, the choice between them, and the Authorization header', own(/^2\.1-/, production)],
  ['2.2 What `authenticateRequest` decides, and why', own(/^2\.2-/, production)],
  ['3 Handshake and refresh', own(/^3\./, production)],
  ['2 and 3 in a development instance', development],
  ['5.6 What makes a change by the Backend API visible where, in the browser', browserRows],
  ['6 Backend API', own(/^6-/, production)],
  ['7 Webhooks', webhookRows],
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

test('the table of our server says where it differs from the official library', () => {
  const asked = [...requestRows, ...developmentRows];
  const unknown = Object.keys(differences).filter((id) => !asked.some((row) => row.id === id && !leftOut(row)));
  expect(unknown, 'a difference belongs to no row that is sent').toEqual([]);
  const text = serverTable();
  if (UPDATE) writeFileSync(SERVER_FILE, text);
  expect(readFileSync(SERVER_FILE, 'utf8'), 'run it with UPDATE_CONFORMANCE=1, and look at what has changed').toBe(text);
});

function serverTable(): string {
  const all = [...requestRows, ...developmentRows];
  const sent = all.filter((row) => !leftOut(row));
  const differing = sent.filter(({ id }) => id in differences);
  const withValues = differing.map((row) => {
    const { ours, why } = differences[row.id];
    const official = Object.fromEntries(Object.keys(ours).filter((name) => name in row.expected).map((name) => [name, row.expected[name]]));
    const throws = 'throws' in row.expected ? { throws: row.expected.throws } : {};
    return line(row.id, row.call, words({ ...official, ...throws }), words(ours), why);
  });
  const without = all.flatMap((row) => {
    const why = leftOut(row);
    return why ? [line(row.id, row.call, why)] : [];
  });
  return `# Conformance of our server

Every request that the official \`@clerk/backend\` ${version('@clerk/backend')} judges in [conformance.md](conformance.md), sent to our own server, which must give the
same status and reason, take the same token, and set the same cookies. ${sent.length} of the ${all.length} requests are sent; of ${sent.length - differing.length} the answer is the same, and
${differing.length} differ on purpose. Each row is a test in [\`tests/conformance/our-server.spec.ts\`](tests/conformance/our-server.spec.ts), which fails when a difference appears
and when one goes away. This file is written by \`UPDATE_CONFORMANCE=1\`.

- A page is asked for at \`/dashboard\`, a script's call goes to \`/api/me\`, a form to \`/onboarding\`.
- Our status is what \`x-clerk-auth-status\` says (signed in: nothing), if the answer itself agrees: the page or the way to the onboarding form;
  a 401 or the way to sign-in or to the token-pending screen; a 307 to the Frontend API's handshake.
- "answer" is the HTTP status with the path it leads to, or with the code of a JSON answer.
- What the library writes to the console is not compared.

## Differences

| id | request | official | ours | why |
|---|---|---|---|---|
${withValues.join('\n')}

## Not sent

| id | request | why |
|---|---|---|
${without.join('\n')}
`;
}

function table(seen: (row: Row) => string): string {
  const sections = SECTIONS.map(([title, own]) => {
    const lines = own.map((row) => line(row.id, row.call, words(row.expected), seen(row), row.remark ?? ''));
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

function same(seen: Values | undefined, expected: Values): boolean {
  return JSON.stringify(seen) === JSON.stringify(expected);
}

function version(name: string): string {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../../node_modules/${name}/package.json`, import.meta.url)), 'utf8')).version;
}
