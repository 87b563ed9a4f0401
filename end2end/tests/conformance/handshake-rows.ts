// The emulator's own end of the handshake: sections 3.2 and 3.3 of the protocol, and the names of 2.1 as they are set.
import type { Row } from './support/rows';
import { backend, cookieValue, Frontend, header, payload, type Visitor } from './support/visitor';

export interface HandshakeRow extends Row {
  see: (its: Visitor) => Promise<Response | Record<string, unknown>>;
}

/** As the browser comes to it, with the cookies of the Frontend API that are given. */
function handshake(its: Visitor, query: Record<string, string>, cookie = `__client=${its.client}`, proxy: Record<string, string> = {}) {
  return new Frontend(its.app, cookie).get(`/v1/client/handshake?${new URLSearchParams(query)}`, proxy);
}

const back = (its: Visitor) => ({ redirect_url: `${its.app.origin}/dashboard?a=1` });

/** The directives of a handshake by token, each with its attributes. */
async function directives(its: Visitor, cookie?: string, proxy?: Record<string, string>): Promise<{ directives: string }> {
  const target = proxy ? { redirect_url: `${new URL(proxy['clerk-proxy-url']).origin}/` } : back(its);
  const answer = await handshake(its, target, cookie, proxy);
  return { directives: (payload(cookieValue(answer.headers, '__clerk_handshake')).handshake as string[]).join(', ') };
}

const attributes = (name: string, value: string, more = '') => `${name}=${value}; Path=/; Max-Age=${value ? 31536000 : 0}; SameSite=Lax${more}`;
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
      sets: '__clerk_handshake_nonce={nonce}; Path=/; Max-Age=60; SameSite=Lax; HttpOnly',
      'cache-control': 'no-store',
    },
  },
  {
    id: '3.2-token',
    call: 'GET /v1/client/handshake, format=token',
    see: (its) => handshake(its, { ...back(its), format: 'token' }),
    expected: { status: 307, location: '{origin}/dashboard?a=1', sets: '__clerk_handshake={token}; Path=/; Max-Age=60; SameSite=Lax; HttpOnly' },
  },
  {
    id: '3.2-default',
    call: 'GET /v1/client/handshake, no format',
    see: (its) => handshake(its, back(its)),
    expected: { status: 307, sets: '__clerk_handshake={token}; Path=/; Max-Age=60; SameSite=Lax; HttpOnly' },
  },
  {
    id: '3.2-nobody',
    call: 'GET /v1/client/handshake, no __client cookie',
    see: (its) => handshake(its, { ...back(its), format: 'nonce' }, '__client_uat=0'),
    expected: { status: 307, location: '{origin}/dashboard?a=1' },
  },
  {
    id: '3.2-wrong-client',
    call: 'GET /v1/client/handshake, __client cookie with a wrong secret',
    see: (its) => directives(its, `__client=${its.client}x`),
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
    remark: 'The emulator knows one site only, that of the proxy. Which sites Clerk allows depends on its dashboard.',
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
    call: 'directives for somebody who is signed in',
    see: (its) => directives(its),
    expected: {
      directives: `${both('__client_uat', '{uat}')}, ${attributes('__refresh_{suffix}', '{refresh}', '; HttpOnly')}, ${both('__session', '{token}')}, ${CLEARED}`,
    },
    remark:
      'Both handshake cookies are removed by the directives: nothing in @clerk/backend removes them, and the nonce would be found again when it has been used. How Clerk does this is not known.',
  },
  {
    id: '3.3-signed-out',
    call: 'directives for nobody',
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
      return { secure: all.split(', ').every((directive) => directive.endsWith('; Secure')) };
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
    remark: 'A page load carries no Origin header: azp is the origin of the proxy then. What Clerk puts there is not known.',
  },
];
