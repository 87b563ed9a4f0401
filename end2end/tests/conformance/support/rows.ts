// What a line of the conformance table is, and how its test compares. The rows are data: the table is written from them
// and from what was seen, and conformance.md holds the last one that was looked at by a user.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';

export type Values = Record<string, string | number | boolean | null>;

export interface Row {
  /** The section of the protocol, and what the row is about. Unique. */
  id: string;
  /** What is sent or called, for a reader. */
  call: string;
  /** Only what is named here is compared. */
  expected: Values;
  /** Where the emulator differs from Clerk on purpose, or Clerk is not known, and why; or what surprises in the row. */
  remark?: string;
}

/** One test for each row: what `see` saw must be what the row expects. */
export function testRows<R extends Row>(rows: R[], see: (row: R) => Promise<Values>): void {
  for (const row of rows) {
    test(`${row.id} ${row.call}`, async () => {
      const all = await see(row);
      const seen = Object.fromEntries(Object.keys(row.expected).map((name) => [name, all[name] ?? null]));
      remember(row.id, seen);
      expect(seen).toEqual(row.expected);
    });
  }
}

/** Kept in files: after a failed test Playwright goes on in another process. It empties this folder at the start of a run. */
const folder = () => join(test.info().project.outputDir, 'conformance');

function remember(id: string, seen: Values): void {
  mkdirSync(folder(), { recursive: true });
  writeFileSync(join(folder(), `${id}.json`), JSON.stringify(seen));
}

/** What this run saw for a row; undefined if its test did not run. */
export function remembered(id: string): Values | undefined {
  try {
    return JSON.parse(readFileSync(join(folder(), `${id}.json`), 'utf8'));
  } catch {
    return undefined;
  }
}
