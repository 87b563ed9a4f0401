// Formats lines of the Markdown tables in this repository.
import type { Values } from './rows';

export function words(values: Values): string {
  return Object.entries(values)
    .filter(([name, value]) => name !== 'reason' || value !== null)
    .map(([name, value]) => `${name}: ${value ?? ''}`)
    .join('; ');
}

/** One line of a table. */
export function line(...cells: string[]): string {
  return `| ${cells.map(cell).join(' | ')} |`;
}

/** Text for a cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/(https?:\/\/[^\s;,)]+|<[^>]+>)/g, '`$1`');
}
