// Runs the measurements and prints a table for each. Exits with 1 if a limit is exceeded.
//
//   node end2end/bench/run.mjs [name...]     default: all
//
// A measurement is a module with `title` and `measure()`, which resolves to
// { columns: [...], rows: [[...], ...], failures: ['what exceeds its limit', ...] }.
import * as clickToDashboard from './click-to-dashboard.mjs';
import * as emulator from './emulator.mjs';
import * as organizations from './organizations.mjs';
import * as payload from './payload.mjs';
import * as relay from './relay.mjs';
import * as session from './session.mjs';
import * as waiting from './waiting.mjs';

const measurements = { payload, 'click-to-dashboard': clickToDashboard, emulator, session, organizations, relay, waiting };

const names = process.argv.slice(2).length > 0 ? process.argv.slice(2) : Object.keys(measurements);
const unknown = names.filter((name) => !(name in measurements));
if (unknown.length > 0) {
  console.error(`unknown measurement: ${unknown.join(', ')}; known: ${Object.keys(measurements).join(', ')}`);
  process.exit(2);
}

const failures = [];
for (const name of names) {
  const { title, measure } = measurements[name];
  const result = await measure();
  console.log(`\n${title}`);
  printTable([result.columns, ...result.rows]);
  failures.push(...result.failures);
}

console.log(failures.length === 0 ? '\nAll within their limits.' : `\nLimits exceeded:\n${failures.join('\n')}`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** The first column is text, the others are numbers. */
function printTable(rows) {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)));
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  for (const row of cells) {
    console.log(row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  '));
  }
}
