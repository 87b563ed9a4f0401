// The emulator's side of the handshake: sections 3.2 and 3.3 of the protocol, and the cookie names of 2.1.
import { createClerkClient } from '@clerk/backend';
import type { Row } from './support/rows';
import { backend, cookieValue, document, Frontend, header, payload, type Visitor } from './support/visitor';

export interface HandshakeRow extends Row {
  see: (its: Visitor) => Promise<Response | Record<string, unknown>>;
}

/** The handshake request of the browser identified by `client`. */
function handshake(its: Visitor, query: Record<string, string>, client = its.client, proxy: Record<string, string> = {}) {
  return new Frontend(its.app, client).get(`/v1/client/handshake?${new URLSearchParams(query)}`, proxy);
}

const back = (its: Visitor) => ({ redirect_url: `${its.app.origin}/dashboard?a=1` });

/** The directives of a handshake by token, each with its attributes. */
async function directives(its: Visitor, client?: string, proxy?: Record<string, string>): Promise<{ directives: string }> {
  const target = proxy ? { redirect_url: `${new URL(proxy['clerk-proxy-url']).origin}/` } : back(its);
  const answer = await handshake(its, target, client, proxy);
  return { directives: (payload(cookieValue(answer.headers, '__clerk_handshake')).handshake as string[]).join(', ') };
}

const attributes = (name: string, value: string, more = '') => `${name}=${value}${more}; SameSite=Lax; Path=/; Max-Age=${value ? 31536000 : 0}`;
const both = (name: string, value: string, more = '') => [name, `${name}_{suffix}`].map((name) => attributes(name, value, more)).join(', ');
const CLEARED = ['__clerk_handshake', '__clerk_handshake_nonce'].map((name) => attributes(name, '', '; HttpOnly')).join(', ');
const PROXY_OVER_TLS = 'https://app.example.test/__clerk';

export const handshakeRows: HandshakeRow[] = [
  {
    id: '3.2-nonce',
    call: 'GET /v1/client/handshake, format=nonce',
    see: (its) => handshake(its, { ...back(its), format: 'nonce' }),
    expected: {
      status: 307,
      location: '{origin}/dashboard?a=1',
      sets: '__clerk_handshake_nonce={nonce}; HttpOnly; SameSite=Lax; Path=/; Max-Age=60',
      'cache-control': 'no-store',
    },
  },
  {
    id: '3.2-token',
    call: 'GET /v1/client/handshake, format=token',
    see: (its) => handshake(its, { ...back(its), format: 'token' }),
    expected: { status: 307, location: '{origin}/dashboard?a=1', sets: '__clerk_handshake={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age=60' },
  },
  {
    id: '3.2-default',
    call: 'GET /v1/client/handshake, no format',
    see: (its) => handshake(its, back(its)),
    expected: { status: 307, sets: '__clerk_handshake={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age=60' },
  },
  {
    id: '3.2-no-client',
    call: 'GET /v1/client/handshake, no __client cookie',
    see: (its) => handshake(its, { ...back(its), format: 'nonce' }, ''),
    expected: { status: 307, location: '{origin}/dashboard?a=1' },
  },
  {
    id: '3.2-wrong-client',
    call: 'GET /v1/client/handshake, __client cookie with a wrong secret',
    see: (its) => directives(its, `${its.client}x`),
    expected: {
      directives: `${both('__client_uat', '0')}, ${attributes('__refresh_{suffix}', '', '; HttpOnly')}, ${both('__session', '')}, ${CLEARED}`,
    },
  },
  {
    id: '3.2-redirect-missing',
    call: 'GET /v1/client/handshake, no redirect_url',
    see: (its) => handshake(its, {}),
    expected: { status: 422, code: 'form_param_missing' },
  },
  {
    id: '3.2-redirect-relative',
    call: 'GET /v1/client/handshake, redirect_url=/dashboard',
    see: (its) => handshake(its, { redirect_url: '/dashboard' }),
    expected: { status: 400, code: 'invalid_url_scheme', location: null },
  },
  {
    id: '3.2-redirect-script',
    call: 'GET /v1/client/handshake, redirect_url=javascript:…',
    see: (its) => handshake(its, { redirect_url: 'javascript:alert(1)' }),
    expected: { status: 400, code: 'invalid_url_scheme', location: null },
  },
  {
    id: '3.2-redirect-elsewhere',
    call: 'GET /v1/client/handshake, redirect_url of another site',
    see: (its) => handshake(its, { redirect_url: 'https://elsewhere.example/' }),
    expected: { status: 400, code: 'invalid_url_scheme', location: null },
    remark: 'The emulator knows only the proxy’s site. Which sites Clerk allows depends on its dashboard.',
  },
  {
    id: '3.2-proxy-secret',
    call: 'GET /v1/client/handshake, Clerk-Proxy-Url with a wrong Clerk-Secret-Key',
    see: (its) => handshake(its, back(its), undefined, { 'clerk-secret-key': 'sk_live_wrong' }),
    expected: { status: 400, code: 'proxy_request_invalid_secret_key', location: null },
  },
  {
    id: '3.2-payload-token',
    call: 'the handshake token',
    see: async (its) => {
      const token = await its.handshake('token');
      const { alg, typ, kid, cat } = header(token);
      return { alg, typ, kid: kid === header(its.token).kid ? "the session token's" : kid, cat, claims: Object.keys(payload(token)).join(' ') };
    },
    expected: { alg: 'RS256', typ: 'JWT', kid: "the session token's", cat: 'cl_B7d4PD111AAA', claims: 'handshake' },
  },
  {
    id: '3.2-payload-nonce',
    call: 'GET /v1/clients/handshake_payload?nonce=…',
    see: async (its) => {
      const payload = await backend(its.app, `/clients/handshake_payload?nonce=${await its.handshake('nonce')}`);
      return { fields: Object.keys(payload).join(' '), directives: payload.directives.length };
    },
    expected: { fields: 'directives', directives: 7 },
  },
  {
    id: '3.2-payload-nonce-again',
    call: 'the same nonce again',
    see: async (its) => {
      const path = `/v1/clients/handshake_payload?nonce=${await its.handshake('nonce')}`;
      const headers = { authorization: `Bearer ${its.app.secretKey}` };
      await fetch(new URL(path, its.app.address), { headers });
      return fetch(new URL(path, its.app.address), { headers });
    },
    expected: { status: 404, code: 'resource_not_found' },
  },
  {
    id: '3.3-signed-in',
    call: 'directives for a signed-in user',
    see: (its) => directives(its),
    expected: {
      directives: `${both('__client_uat', '{uat}')}, ${attributes('__refresh_{suffix}', '{refresh}', '; HttpOnly')}, ${both('__session', '{token}')}, ${CLEARED}`,
    },
    remark:
      'The directives remove both handshake cookies: nothing in @clerk/backend removes them, and a used nonce would be found again. How Clerk does this is unknown.',
  },
  {
    id: '3.3-signed-out',
    call: 'directives for a signed-out browser',
    see: (its) => directives(its, ''),
    expected: {
      directives: `${both('__client_uat', '0')}, ${attributes('__refresh_{suffix}', '', '; HttpOnly')}, ${both('__session', '')}, ${CLEARED}`,
    },
  },
  {
    id: '3.3-secure',
    call: 'directives behind a proxy with TLS',
    see: async (its) => {
      const { directives: all } = await directives(its, '', { 'clerk-proxy-url': PROXY_OVER_TLS });
      return { secure: all.split(', ').every((directive) => directive.includes('; Secure;')) };
    },
    expected: { secure: true },
  },
  {
    id: '3.3-token',
    call: 'the session token among the directives',
    see: async (its) => {
      const { directives: all } = await directives(its);
      const token = /__session=([^;]+)/.exec(all)?.[1] ?? '';
      const { azp, sid, sts, v } = payload(token);
      return { azp, session: sid === its.session, sts, v, life: Number(payload(token).exp) - Number(payload(token).iat) };
    },
    expected: { azp: '{origin}', session: true, sts: 'active', v: 2, life: 60 },
    remark: 'A page load carries no Origin header, so azp is the proxy’s origin. What Clerk puts there is unknown.',
  },
  {
    id: '3.4-round-trip',
    call: 'page with an expired token, the handshake it leads to, the page again, and once more',
    see: roundTrip,
    expected: { first: 'handshake', lands: '{origin}/dashboard', second: 'signed-in', third: 'signed-in', left: '' },
  },
];

/** A page load with an expired token, the redirects it causes, then another page load. */
async function roundTrip(its: Visitor): Promise<Record<string, unknown>> {
  const { app, proxyUrl = '' } = its;
  const clerk = createClerkClient({ secretKey: app.secretKey, publishableKey: app.publishableKey, apiUrl: app.address });
  const jar = new Map(Object.entries(its.cookies(its.expired())));
  const keep = (headers: Headers) => {
    for (const cookie of headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (/Max-Age=0\b/.test(cookie)) jar.delete(name);
      else jar.set(name, value);
    }
  };
  const load = async () => {
    const { headers } = document();
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const state = await clerk.authenticateRequest(new Request(`${app.origin}/dashboard`, { headers: { ...headers, cookie } }), { proxyUrl });
    keep(state.headers);
    return state;
  };
  const first = await load();
  const location = new URL(first.headers.get('location') ?? '');
  const answer = await new Frontend(app, its.client).get(location.pathname.slice(new URL(proxyUrl).pathname.length) + location.search);
  keep(answer.headers);
  const [second, third] = [await load(), await load()];
  const left = [...jar.keys()].filter((name) => name.startsWith('__clerk_handshake'));
  return { first: first.status, lands: answer.headers.get('location'), second: second.status, third: third.status, left: left.join(' ') };
}

const inAddress = (name: string, value: string) => `{origin}/dashboard?a=1&${name}=${value}`;

/** What differs in a development instance: the result is passed in the query, together with the browser's token. */
export const developmentHandshakeRows: HandshakeRow[] = [
  {
    id: '3.2-nonce-development',
    call: 'GET /v1/client/handshake, format=nonce',
    see: (its) => handshake(its, { ...back(its), format: 'nonce' }),
    expected: { status: 307, location: inAddress('__clerk_handshake_nonce', '{nonce}'), allSets: '', 'cache-control': 'no-store' },
  },
  {
    id: '3.2-token-development',
    call: 'GET /v1/client/handshake, format=token',
    see: (its) => handshake(its, { ...back(its), format: 'token' }),
    expected: { status: 307, location: inAddress('__clerk_handshake', '{token}'), allSets: '' },
  },
  {
    id: '3.2-again-development',
    call: 'GET /v1/client/handshake, an earlier result in redirect_url',
    see: (its) => handshake(its, { redirect_url: `${its.app.origin}/dashboard?__clerk_handshake=x&a=1`, format: 'nonce' }),
    expected: { status: 307, location: inAddress('__clerk_handshake_nonce', '{nonce}') },
  },
  {
    id: '3.2-proxy-development',
    call: 'GET /v1/client/handshake, Clerk-Proxy-Url',
    see: (its) => handshake(its, back(its), its.client, { 'clerk-proxy-url': `${its.app.origin}/__clerk`, 'clerk-secret-key': its.app.secretKey }),
    expected: { status: 400, code: 'proxy_request_invalid_instance', location: null },
  },
  {
    id: '3.3-signed-in-development',
    call: 'directives for a signed-in user',
    see: async (its) => ({ directives: (payload(await its.handshake('token')).handshake as string[]).join(', ') }),
    expected: {
      directives: `${both('__client_uat', '{uat}')}, ${both('__clerk_db_jwt', '{client}')}, ${attributes('__refresh_{suffix}', '{refresh}', '; HttpOnly')}, ${both('__session', '{token}')}, ${CLEARED}`,
    },
  },
  {
    id: '3.3-new-browser-development',
    call: 'directives for an unknown browser',
    see: async (its) => {
      const directives = payload(await its.handshake('token', 'no user')).handshake as string[];
      const given = directives.filter((directive) => directive.startsWith('__clerk_db_jwt'));
      const tokens = new Set(given.map((directive) => directive.split(/[=;]/)[1]));
      return { forms: given.length, tokens: tokens.size, new: !tokens.has(its.client), uat: directives[0].split(';')[0] };
    },
    expected: { forms: 2, tokens: 1, new: true, uat: '__client_uat=0' },
  },
];
