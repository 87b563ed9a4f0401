// The observed result of a handshake row, as plain values.
import type { HandshakeRow } from '../handshake-rows';
import type { Values } from './rows';
import type { Visitor } from './visitor';

export async function seenOf(row: HandshakeRow, its: Visitor): Promise<Values> {
  const seen = await row.see(its);
  const values = seen instanceof Response ? await answered(seen) : seen;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === 'string' ? named(value, its) : value])) as Values;
}

async function answered(answer: Response): Promise<Values> {
  const body = await answer.text();
  const sets = answer.headers.getSetCookie();
  return {
    status: answer.status,
    location: answer.headers.get('location'),
    sets: sets.filter((cookie) => cookie.startsWith('__clerk_handshake')).join(', '),
    allSets: sets.join(', '),
    'cache-control': answer.headers.get('cache-control'),
    code: body === '' ? null : JSON.parse(body).errors[0].code,
  };
}

/** Replaces what differs from run to run by its name. */
function named(text: string, its: Visitor): string {
  return text
    .replaceAll(its.app.origin, '{origin}')
    .replaceAll(`_${its.suffix}`, '_{suffix}')
    .replaceAll(its.client, '{client}')
    .replaceAll(its.refresh, '{refresh}')
    .replaceAll(`=${its.uat};`, '={uat};')
    .replace(/=eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '={token}')
    .replace(/(__clerk_handshake_nonce)=\w+/g, '$1={nonce}');
}
