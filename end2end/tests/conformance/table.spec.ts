// Compares the conformance tables in the repository with the rows. Runs after the other tests of this folder.
//
//   UPDATE_CONFORMANCE=1 playwright test tests/conformance     writes them from the rows and this run's observations
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
  ['5.6 Which calls make a change by the Backend API visible in the browser, and where', browserRows],
  ['6 Backend API', own(/^6-/, production)],
  ['7 Webhooks', webhookRows],
];

const rows = SECTIONS.flatMap(([, own]) => own);

test('conformance.md matches the rows', () => {
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
  expect(readFileSync(FILE, 'utf8'), 'run with UPDATE_CONFORMANCE=1 and review the changes').toBe(table(() => 'the same'));
});

test('conformance-server.md matches the differences', () => {
  const asked = [...requestRows, ...developmentRows];
  const unknown = Object.keys(differences).filter((id) => !asked.some((row) => row.id === id && !leftOut(row)));
  expect(unknown, 'a difference does not belong to a row that is sent').toEqual([]);
  const text = serverTable();
  if (UPDATE) writeFileSync(SERVER_FILE, text);
  expect(readFileSync(SERVER_FILE, 'utf8'), 'run with UPDATE_CONFORMANCE=1 and review the changes').toBe(text);
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

Every request that the official \`@clerk/backend\` ${version('@clerk/backend')} authenticates in [conformance.md](conformance.md), sent to our own server, which must give the
same status and reason, accept the same token, and set the same cookies. ${sent.length} of the ${all.length} requests are sent: ${sent.length - differing.length} have the same response, and
${differing.length} differ on purpose. Each row is a test in [\`tests/conformance/our-server.spec.ts\`](tests/conformance/our-server.spec.ts), which fails when a difference appears
or disappears. \`UPDATE_CONFORMANCE=1\` writes this file.

- A page is requested at \`/dashboard\`, a script calls \`/api/me\`, a form posts to \`/onboarding\`.
- Our status is the value of \`x-clerk-auth-status\` (absent: signed in), if the response itself agrees: the page or a redirect to the onboarding form;
  a 401 or a redirect to sign-in or to the token-pending screen; a 307 to the Frontend API's handshake.
- "answer" is the HTTP status with the path it leads to, or with the code of a JSON response.
- The library's console output is not compared.

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

The official clients, unmodified (\`@clerk/backend\` ${version('@clerk/backend')}, \`@clerk/clerk-js\` ${version('@clerk/clerk-js')} in Chromium), against \`vestibule emulator\`.
Each row is a test in [\`tests/conformance\`](tests/conformance), which runs with \`make test\`. The tests write this file
(\`UPDATE_CONFORMANCE=1\`) and compare it in every other run. Numbers are sections of the protocol as the clients implement it.
"Expected" follows from the clients' source and from Clerk's specification; no real Clerk instance was involved. A remark that begins with "Differs"
names a deliberate difference.

- "page" is a navigation (\`Sec-Fetch-Dest: document\`), "script" a request by a script; both are GET.
- Unless stated otherwise, \`__session\` and \`__client_uat\` are present in both forms, and the sign-in was an hour ago.
- \`{…}\` stands for what differs from run to run. An empty value is absent.
- In 5.6, "fresh" means with the change, "stale" without it. Everything is read right after the call, the cookie first.
- Missing, because no request can cause them in this version of \`@clerk/backend\`: \`jwk-local-missing\`, \`jwk-remote-invalid\`,
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
