// The rows of the conformance tables, and their tests. Rows are data: conformance.md is generated from them and from
// what a run observed, and reviewed by a human.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';

export type Values = Record<string, string | number | boolean | null>;

export interface Row {
  /** The section of the protocol, and the row's topic. Unique. */
  id: string;
  /** What is sent or called, for readers. */
  call: string;
  /** Only these values are compared. */
  expected: Values;
  /** Where and why the emulator differs from Clerk on purpose or Clerk's behavior is unknown, or what is surprising. */
  remark?: string;
}

/** One test for each row: `see` must return what the row expects. */
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

/** In files, because Playwright starts a new process after a failed test. It empties this folder when a run starts. */
const folder = () => join(test.info().project.outputDir, 'conformance');

function remember(id: string, seen: Values): void {
  mkdirSync(folder(), { recursive: true });
  writeFileSync(join(folder(), `${id}.json`), JSON.stringify(seen));
}

/** What this run observed for a row; undefined if its test did not run. */
export function remembered(id: string): Values | undefined {
  try {
    return JSON.parse(readFileSync(join(folder(), `${id}.json`), 'utf8'));
  } catch {
    return undefined;
  }
}
