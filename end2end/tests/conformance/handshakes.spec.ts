// Handshakes as the emulator answers them, by plain HTTP.
import { test } from '@playwright/test';
import { handshakeRows } from './handshake-rows';
import { testRows, type Values } from './support/rows';
import { shared } from './support/shared';
import type { Visitor } from './support/visitor';

const { visitor } = shared(test);

testRows(handshakeRows, async (row) => {
  const its = await visitor();
  const seen = await row.see(its);
  const values = seen instanceof Response ? await answered(seen) : seen;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === 'string' ? named(value, its) : value])) as Values;
});

async function answered(answer: Response): Promise<Values> {
  const body = await answer.text();
  return {
    status: answer.status,
    location: answer.headers.get('location'),
    sets: answer.headers
      .getSetCookie()
      .filter((cookie) => cookie.startsWith('__clerk_handshake'))
      .join(', '),
    'cache-control': answer.headers.get('cache-control'),
    code: body === '' ? null : JSON.parse(body).errors[0].code,
  };
}

/** What differs from run to run, by its name. */
function named(text: string, its: Visitor): string {
  return text
    .replaceAll(its.app.origin, '{origin}')
    .replaceAll(`_${its.suffix}`, '_{suffix}')
    .replaceAll(its.refresh, '{refresh}')
    .replaceAll(`=${its.uat};`, '={uat};')
    .replace(/=eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '={token}')
    .replace(/(__clerk_handshake_nonce)=\w+/g, '$1={nonce}');
}
