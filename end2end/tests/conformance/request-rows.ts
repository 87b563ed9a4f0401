// Requests to an app, and the official @clerk/backend's verdict on each: sections 2.1, 2.2 and 3 of the protocol.
// A row without `options` and `backend` can be sent to any app that uses the emulator, to compare its verdict.
import type { Stub } from './support/relay';
import type { Row } from './support/rows';
import { type Asked, call, document, type Visitor, withHeader } from './support/visitor';

export interface RequestRow extends Row {
  request: (its: Visitor) => Asked | Promise<Asked>;
  /** Options of `authenticateRequest`. Default: the emulator's keys, the proxy, the app's origin as authorized party. */
  options?: (its: Visitor) => Record<string, unknown>;
  /** Backend API responses that the emulator itself would not give, by the end of the path; null: it is unreachable. */
  backend?: ((its: Visitor) => Record<string, Stub>) | null;
}

const SIGNED_IN = { status: 'signed-in', reason: null };
const signedOut = (reason: string) => ({ status: 'signed-out', reason });
const handshake = (reason: string) => ({ status: 'handshake', reason });
const expired = (why: string) => `session-token-expired-refresh-${why}`;
const TEMPLATE = { cat: 'cl_B7d4PD222AAA' };
const MACHINE = { cat: 'cl_B7d4PD333AAA' };

/** The cookies that a handshake sets in production, sorted by name. */
const DIRECTIVES = '__clerk_handshake __clerk_handshake_nonce __client_uat __client_uat_{suffix} __refresh_{suffix} __session __session_{suffix}';

/** 2.1: the names under which cookies are read. */
const names: RequestRow[] = [
  {
    id: '2.1-name-refresh',
    call: 'page, expired session, __refresh only without the suffix',
    request: (its) => document({ ...its.cookies(its.expired()), ...its.plain({ refresh: its.refresh }) }),
    expected: handshake(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.1-name-handshake',
    call: 'page, __clerk_handshake only with the suffix',
    request: async (its) => document({ [`__clerk_handshake_${its.suffix}`]: await its.handshake('token') }),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.1-name-handshake-nonce',
    call: 'page, __clerk_handshake_nonce only with the suffix',
    request: async (its) => document({ [`__clerk_handshake_nonce_${its.suffix}`]: await its.handshake('nonce') }),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.1-name-redirect-count',
    call: 'page, no session token, __clerk_redirect_count=3 only with the suffix',
    request: (its) => document({ ...its.both({ uat: its.hourAgo }), [`__clerk_redirect_count_${its.suffix}`]: '3' }),
    expected: handshake('client-uat-but-no-session-token'),
  },
];

/** 2.1: the eight rules by which the plain or the suffixed cookies are chosen, in their order. */
const selection: RequestRow[] = [
  {
    id: '2.1-rule-1',
    call: 'plain __session without iss, suffixed cookies valid',
    request: (its) => call({ ...its.cookies(), ...its.plain({ session: its.signed({ iss: undefined }) }) }),
    expected: { ...SIGNED_IN, token: 'plain cookie' },
  },
  {
    id: '2.1-rule-1-undecodable',
    call: 'plain __session is not a token, suffixed cookies valid',
    request: (its) => call({ ...its.cookies(), ...its.plain({ session: 'nonsense' }) }),
    expected: signedOut('token-invalid'),
  },
  {
    id: '2.1-rule-2',
    call: 'plain __session of another instance, suffixed cookies valid',
    request: (its) => call({ ...its.cookies(), ...its.plain({ session: its.forged({ iss: 'https://clerk.elsewhere.example' }) }) }),
    expected: { ...SIGNED_IN, token: 'suffixed cookie' },
  },
  {
    id: '2.1-rule-2-proxy',
    call: 'only plain cookies, iss is the address of the proxy',
    request: (its) => call(its.plain({ session: its.signed({ iss: its.proxyUrl }), uat: its.hourAgo })),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.1-rule-2-scheme',
    call: 'only plain cookies, iss with http:// in place of https://',
    request: (its) => call(its.plain({ session: its.signed({ iss: `http://${its.frontendApi}` }), uat: its.hourAgo })),
    expected: { ...SIGNED_IN, token: 'plain cookie' },
  },
  {
    id: '2.1-rule-2-no-text',
    call: 'plain __session whose iss is a number, suffixed cookies valid',
    request: (its) => call({ ...its.cookies(), ...its.plain({ session: its.signed({ iss: 1 }) }) }),
    expected: { ...SIGNED_IN, token: 'suffixed cookie' },
  },
  {
    id: '2.1-rule-3',
    call: 'only plain cookies',
    request: (its) => call(its.plain({ session: its.token, uat: its.hourAgo })),
    expected: { ...SIGNED_IN, token: 'plain cookie' },
  },
  {
    id: '2.1-rule-4',
    call: 'both forms signed in, the plain token issued later',
    request: (its) => call({ ...its.cookies(its.signed({ iat: its.now - 20 })), ...its.plain({ session: its.signed() }) }),
    expected: { ...SIGNED_IN, token: 'plain cookie' },
  },
  {
    id: '2.1-rule-4-older',
    call: 'both forms signed in, the plain token issued earlier',
    request: (its) => call({ ...its.cookies(its.signed()), ...its.plain({ session: its.signed({ iat: its.now - 20 }) }) }),
    expected: { ...SIGNED_IN, token: 'suffixed cookie' },
  },
  {
    id: '2.1-rule-5',
    call: 'suffixed __client_uat=0, plain one not 0, the plain token issued earlier',
    request: (its) =>
      call({ ...its.cookies(its.signed()), ...its.suffixed({ uat: 0 }), ...its.plain({ session: its.signed({ iat: its.now - 20 }) }) }),
    expected: { ...SIGNED_IN, token: 'plain cookie' },
  },
  {
    id: '2.1-rule-6-production',
    call: 'page, suffixed form signed in with an expired token, plain __client_uat=0',
    request: (its) => document({ ...its.suffixed({ session: its.expired(), uat: its.hourAgo }), ...its.plain({ uat: 0 }) }),
    expected: { ...handshake(expired('non-eligible-no-refresh-cookie')), suffixed: 'true' },
  },
  {
    id: '2.1-rule-7',
    call: 'suffixed __session without suffixed __client_uat, nothing plain',
    request: (its) => call(its.suffixed({ session: its.token })),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.1-rule-7-plain-uat',
    call: 'page, suffixed __session without suffixed __client_uat, plain __client_uat',
    request: (its) => document({ ...its.suffixed({ session: its.token }), ...its.plain({ uat: its.hourAgo }) }),
    expected: { ...handshake('client-uat-but-no-session-token'), suffixed: 'false' },
  },
  {
    id: '2.1-rule-8',
    call: 'both forms signed in, tokens issued in the same second',
    request: (its) => {
      const iat = its.now - 1;
      return call({ ...its.cookies(its.signed({ iat })), ...its.plain({ session: its.signed({ iat }) }) });
    },
    expected: { ...SIGNED_IN, token: 'suffixed cookie' },
  },
  {
    id: '2.1-rule-8-alone',
    call: 'only suffixed cookies',
    request: (its) => call(its.suffixed({ session: its.token, uat: its.hourAgo })),
    expected: { ...SIGNED_IN, token: 'suffixed cookie' },
  },
];

/** 2.1: which Authorization headers carry a token. */
const headers: RequestRow[] = [
  {
    id: '2.1-header-bearer',
    call: 'Authorization: Bearer <token>',
    request: (its) => withHeader(`Bearer ${its.token}`),
    expected: { ...SIGNED_IN, token: 'header', who: 'the user' },
  },
  { id: '2.1-header-bare', call: 'Authorization: <token>', request: (its) => withHeader(its.token), expected: { ...SIGNED_IN, token: 'header' } },
  {
    id: '2.1-header-basic',
    call: 'Authorization: Basic <token>, no cookies',
    request: (its) => withHeader(`Basic ${its.token}`),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.1-header-basic-cookies',
    call: 'Authorization: Basic <token>, valid cookies',
    request: (its) => withHeader(`Basic ${its.signed()}`, its.cookies()),
    expected: { ...SIGNED_IN, token: 'plain cookie and suffixed cookie' },
  },
  {
    id: '2.1-header-case',
    call: 'Authorization: bearer <token>, no cookies',
    request: (its) => withHeader(`bearer ${its.token}`),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.1-header-empty',
    call: 'Authorization: Bearer, and nothing after it',
    request: () => withHeader('Bearer '),
    expected: signedOut('token-invalid'),
  },
  {
    id: '2.1-header-wins',
    call: 'Bearer token and cookies, both valid',
    request: (its) => withHeader(`Bearer ${its.signed()}`, its.cookies()),
    expected: { ...SIGNED_IN, token: 'header' },
  },
  {
    id: '2.1-header-wins-wrong',
    call: 'Bearer token with a wrong signature, valid cookies',
    request: (its) => withHeader(`Bearer ${its.forged()}`, its.cookies()),
    expected: signedOut('token-invalid-signature'),
  },
  {
    id: '2.1-header-wins-handshake',
    call: 'Bearer token and a handshake nonce',
    request: async (its) => withHeader(`Bearer ${its.token}`, { __clerk_handshake_nonce: await its.handshake('nonce') }),
    expected: { ...SIGNED_IN, token: 'header', sets: '' },
  },
];

/** 2.2 A, and every reason to reject a token. All by header, where nothing else decides. */
const tokens: RequestRow[] = [
  {
    id: '2.2-A-template',
    call: 'Bearer token of a JWT template, minted by the emulator',
    request: (its) => withHeader(`Bearer ${its.templateToken}`),
    expected: signedOut('token-type-mismatch'),
  },
  {
    id: '2.2-A-machine',
    call: 'Bearer token with cat of a machine token',
    request: (its) => withHeader(`Bearer ${its.signed({}, MACHINE)}`),
    expected: signedOut('token-type-mismatch'),
  },
  {
    id: '2.2-A-machine-sub',
    call: 'Bearer token with sub mch_…',
    request: (its) => withHeader(`Bearer ${its.signed({ sub: 'mch_1' })}`),
    expected: signedOut('token-type-mismatch'),
  },
  {
    id: '2.2-A-oauth',
    call: 'Bearer token with typ at+jwt',
    request: (its) => withHeader(`Bearer ${its.signed({}, { typ: 'at+jwt' })}`),
    expected: signedOut('token-type-mismatch'),
  },
  {
    id: '2.2-A-cat-unknown',
    call: 'Bearer token with an unknown cat',
    request: (its) => withHeader(`Bearer ${its.signed({}, { cat: 'cl_x' })}`),
    expected: signedOut('token-type-mismatch'),
  },
  {
    id: '2.2-A-cat-ignore',
    call: 'Bearer token with cat cl_I7d4PD111III',
    request: (its) => withHeader(`Bearer ${its.signed({}, { cat: 'cl_I7d4PD111III' })}`),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-A-cat-absent',
    call: 'Bearer token without cat',
    request: (its) => withHeader(`Bearer ${its.signed({}, { cat: undefined })}`),
    expected: SIGNED_IN,
  },
  { id: '2.2-token-invalid-parts', call: 'Bearer token of two parts', request: () => withHeader('Bearer a.b'), expected: signedOut('token-invalid') },
  {
    id: '2.2-token-invalid-json',
    call: 'Bearer token whose parts are not JSON',
    request: () => withHeader('Bearer a.b.c'),
    expected: signedOut('token-invalid'),
  },
  {
    id: '2.2-token-invalid-typ',
    call: 'Bearer token with typ JWS',
    request: (its) => withHeader(`Bearer ${its.signed({}, { typ: 'JWS' })}`),
    expected: signedOut('token-invalid'),
  },
  {
    id: '2.2-typ-absent',
    call: 'Bearer token without typ',
    request: (its) => withHeader(`Bearer ${its.signed({}, { typ: undefined })}`),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-token-invalid-algorithm',
    call: 'Bearer token with alg HS256',
    request: (its) => withHeader(`Bearer ${its.signed({}, { alg: 'HS256' })}`),
    expected: signedOut('token-invalid-algorithm'),
  },
  {
    id: '2.2-token-invalid-algorithm-none',
    call: 'Bearer token with alg none',
    request: (its) => withHeader(`Bearer ${its.signed({}, { alg: 'none' })}`),
    expected: signedOut('token-invalid-algorithm'),
  },
  {
    id: '2.2-alg-rs512',
    call: 'Bearer token signed with RS512',
    request: (its) => withHeader(`Bearer ${its.signed({}, { alg: 'RS512' })}`),
    expected: signedOut('token-verification-failed'),
  },
  {
    id: '2.2-token-invalid-signature',
    call: "Bearer token signed with another key, kid of the emulator's",
    request: (its) => withHeader(`Bearer ${its.forged()}`),
    expected: signedOut('token-invalid-signature'),
  },
  {
    id: '2.2-jwk-kid-mismatch',
    call: 'Bearer token with an unknown kid',
    request: (its) => withHeader(`Bearer ${its.signed({}, { kid: 'ins_unknown' })}`),
    expected: signedOut('jwk-kid-mismatch'),
  },
  {
    id: '2.2-token-verification-failed-sub',
    call: 'Bearer token without sub',
    request: (its) => withHeader(`Bearer ${its.signed({ sub: undefined })}`),
    expected: signedOut('token-verification-failed'),
  },
  {
    id: '2.2-token-verification-failed-exp',
    call: 'Bearer token whose exp is text',
    request: (its) => withHeader(`Bearer ${its.signed({ exp: 'later' })}`),
    expected: signedOut('token-verification-failed'),
  },
  {
    id: '2.2-token-verification-failed-aud',
    call: 'Bearer token for another audience',
    request: (its) => withHeader(`Bearer ${its.signed({ aud: 'b' })}`),
    options: () => ({ audience: 'a' }),
    expected: signedOut('token-verification-failed'),
  },
  {
    id: '2.2-aud-absent',
    call: 'Bearer token without aud, an audience is required',
    request: (its) => withHeader(`Bearer ${its.token}`),
    options: () => ({ audience: 'a' }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-token-invalid-authorized-parties',
    call: 'Bearer token with azp of another origin',
    request: (its) => withHeader(`Bearer ${its.signed({ azp: 'https://elsewhere.example' })}`),
    expected: signedOut('token-invalid-authorized-parties'),
  },
  {
    id: '2.2-token-invalid-authorized-parties-absent',
    call: 'Bearer token without azp',
    request: (its) => withHeader(`Bearer ${its.signed({ azp: undefined })}`),
    expected: signedOut('token-invalid-authorized-parties'),
  },
  {
    id: '2.2-azp-unwanted',
    call: 'Bearer token without azp, no authorized parties configured',
    request: (its) => withHeader(`Bearer ${its.signed({ azp: undefined })}`),
    options: () => ({ authorizedParties: undefined }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-iss',
    call: 'Bearer token with iss of another instance, issuer configured',
    request: (its) => withHeader(`Bearer ${its.signed({ iss: 'https://clerk.elsewhere.example' })}`),
    options: (its) => ({ issuer: its.issuer }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-expired',
    call: 'Bearer token that expired 6 s ago',
    request: (its) => withHeader(`Bearer ${its.expired()}`),
    expected: signedOut(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-expired-skew',
    call: 'Bearer token that expired 3 s ago',
    request: (its) => withHeader(`Bearer ${its.signed({ exp: its.now - 3 })}`),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-nbf',
    call: 'Bearer token with nbf 8 s ahead',
    request: (its) => withHeader(`Bearer ${its.signed({ nbf: its.now + 8 })}`),
    expected: signedOut('session-token-nbf'),
  },
  {
    id: '2.2-nbf-skew',
    call: 'Bearer token with nbf 3 s ahead',
    request: (its) => withHeader(`Bearer ${its.signed({ nbf: its.now + 3 })}`),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-iat',
    call: 'Bearer token with iat 8 s ahead',
    request: (its) => withHeader(`Bearer ${its.signed({ iat: its.now + 8 })}`),
    expected: signedOut('session-token-iat-in-the-future'),
  },
  {
    id: '2.2-iat-skew',
    call: 'Bearer token with iat 3 s ahead',
    request: (its) => withHeader(`Bearer ${its.signed({ iat: its.now + 3 })}`),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-sts-pending',
    call: 'Bearer token with sts pending',
    request: (its) => withHeader(`Bearer ${its.signed({ sts: 'pending' })}`),
    expected: { ...SIGNED_IN, who: 'no user' },
  },
  {
    id: '2.2-jwt-key',
    call: 'Bearer token, CLERK_JWT_KEY, the Backend API cannot be reached',
    request: (its) => withHeader(`Bearer ${its.token}`),
    options: (its) => ({ jwtKey: its.app.jwtKey }),
    backend: null,
    expected: { ...SIGNED_IN, who: 'the user' },
  },
  {
    id: '2.2-jwt-key-kid',
    call: 'Bearer token with an unknown kid, CLERK_JWT_KEY',
    request: (its) => withHeader(`Bearer ${its.signed({}, { kid: 'ins_unknown' })}`),
    options: (its) => ({ jwtKey: its.app.jwtKey }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-secret-key-invalid',
    call: 'Bearer token, the secret key is not this instance’s',
    request: (its) => withHeader(`Bearer ${its.token}`),
    options: () => ({ secretKey: 'sk_live_wrong' }),
    expected: signedOut('secret-key-invalid'),
  },
  {
    id: '2.2-jwk-remote-failed-to-load',
    call: 'Bearer token, /v1/jwks answers without keys',
    request: (its) => withHeader(`Bearer ${its.token}`),
    backend: () => ({ '/jwks': { body: '{"keys":[]}' } }),
    expected: signedOut('jwk-remote-failed-to-load'),
  },
  {
    id: '2.2-unexpected-error',
    call: 'Bearer token, the Backend API cannot be reached',
    request: (its) => withHeader(`Bearer ${its.token}`),
    backend: null,
    expected: signedOut('unexpected-error'),
  },
];

/** 2.2 B: what cookies mean, in the order of the checks. */
const cookies: RequestRow[] = [
  {
    id: '2.2-B6',
    call: 'page, no cookies',
    request: () => document(),
    expected: {
      ...signedOut('session-token-and-uat-missing'),
      'x-clerk-auth-status': 'signed-out',
      'x-clerk-auth-reason': 'session-token-and-uat-missing',
    },
  },
  {
    id: '2.2-B6-zero',
    call: 'page, __client_uat=0 and no token',
    request: (its) => document(its.both({ uat: 0 })),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.2-B7',
    call: 'page, token and no __client_uat',
    request: (its) => document(its.plain({ session: its.token })),
    expected: {
      ...handshake('session-token-but-no-client-uat'),
      'x-clerk-auth-status': 'handshake',
      'x-clerk-auth-reason': 'session-token-but-no-client-uat',
    },
  },
  {
    id: '2.2-B7-zero',
    call: 'page, token and __client_uat=0',
    request: (its) => document(its.both({ session: its.token, uat: 0 })),
    expected: handshake('session-token-but-no-client-uat'),
  },
  {
    id: '2.2-B7-call',
    call: 'script, token and no __client_uat',
    request: (its) => call(its.plain({ session: its.token })),
    expected: signedOut('session-token-but-no-client-uat'),
  },
  {
    id: '2.2-B8',
    call: 'page, __client_uat and no token',
    request: (its) => document(its.both({ uat: its.hourAgo })),
    expected: handshake('client-uat-but-no-session-token'),
  },
  {
    id: '2.2-B8-call',
    call: 'script, __client_uat and no token',
    request: (its) => call(its.both({ uat: its.hourAgo })),
    expected: signedOut('client-uat-but-no-session-token'),
  },
  {
    id: '2.2-B9-undecodable',
    call: 'page, both forms of __session are not tokens',
    request: (its) => document(its.cookies('nonsense')),
    expected: signedOut('token-invalid'),
  },
  {
    id: '2.2-B9-template',
    call: 'page, token of a JWT template in the cookie',
    request: (its) => document(its.cookies(its.templateToken)),
    expected: signedOut('token-type-mismatch'),
  },
  {
    id: '2.2-B9-machine',
    call: 'page, token with cat of a machine token in the cookie',
    request: (its) => document(its.cookies(its.signed({}, MACHINE))),
    expected: signedOut('token-type-mismatch'),
  },
  {
    id: '2.2-B10',
    call: 'page, token issued before __client_uat',
    request: (its) => document(its.both({ session: its.signed({ iat: its.now - 2 }), uat: its.now - 1 })),
    expected: handshake('session-token-iat-before-client-uat'),
  },
  {
    id: '2.2-B10-same',
    call: 'page, token issued in the second of __client_uat',
    request: (its) => {
      const iat = its.now;
      return document(its.both({ session: its.signed({ iat }), uat: iat }));
    },
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B10-clerk',
    call: 'page, token and __client_uat as set by the emulator',
    request: (its) => document(its.both({ session: its.token, uat: its.uat })),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11',
    call: 'page, valid cookies',
    request: (its) => document(its.cookies()),
    expected: { ...SIGNED_IN, who: 'the user', 'x-clerk-auth-status': null, 'x-clerk-auth-reason': null, sets: '' },
  },
  {
    id: '2.2-B11-signature',
    call: 'page, token with a wrong signature in the cookie',
    request: (its) => document(its.cookies(its.forged())),
    expected: signedOut('token-invalid-signature'),
  },
  {
    id: '2.2-B11-azp',
    call: 'page, token without azp in the cookie, no authorized parties configured',
    request: (its) => document(its.cookies(its.signed({ azp: undefined }))),
    options: () => ({ authorizedParties: undefined }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11-cross-origin',
    call: 'page, valid cookies, Referer of another site',
    request: (its) => document(its.cookies(), { headers: { referer: 'https://elsewhere.example/' } }),
    expected: handshake('primary-domain-cross-origin-sync'),
  },
  {
    id: '2.2-B11-cross-origin-count',
    call: 'the same with __clerk_redirect_count=1',
    request: (its) => document({ ...its.cookies(), __clerk_redirect_count: '1' }, { headers: { referer: 'https://elsewhere.example/' } }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11-cross-origin-call',
    call: 'the same from a script',
    request: (its) => call(its.cookies(), { headers: { referer: 'https://elsewhere.example/' } }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11-cross-origin-post',
    call: 'the same as a POST',
    request: (its) => document(its.cookies(), { method: 'POST', headers: { referer: 'https://elsewhere.example/' } }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11-same-origin',
    call: 'page, valid cookies, Referer of the app',
    request: (its) => document(its.cookies(), { headers: { referer: `${its.app.origin}/` } }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11-frontend-api',
    call: 'page, valid cookies, Referer of the Frontend API, no proxy',
    request: (its) => document(its.cookies(), { headers: { referer: `${its.issuer}/` } }),
    options: () => ({ proxyUrl: undefined }),
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11-organization',
    call: 'page /orgs/acme, organizations by path, token without organization',
    request: (its) => document(its.cookies(), { path: '/orgs/acme' }),
    options: byPath,
    expected: { ...handshake('active-organization-mismatch'), organization: 'acme' },
  },
  {
    id: '2.2-B11-organization-same',
    call: 'page /orgs/acme, organizations by path, token of acme',
    request: (its) => document(its.cookies(its.signed({ o: { id: 'org_1', slg: 'acme', rol: 'admin' } })), { path: '/orgs/acme' }),
    options: byPath,
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11-organization-personal',
    call: 'page /personal, organizations by path, token of acme',
    request: (its) => document(its.cookies(its.signed({ o: { id: 'org_1', slg: 'acme', rol: 'admin' } })), { path: '/personal' }),
    options: byPath,
    expected: { ...handshake('active-organization-mismatch'), organization: '' },
  },
  {
    id: '2.2-B11-organization-count',
    call: 'page /orgs/acme, token without organization, __clerk_redirect_count=3',
    request: (its) => document({ ...its.cookies(), __clerk_redirect_count: '3' }, { path: '/orgs/acme' }),
    options: byPath,
    expected: SIGNED_IN,
  },
  {
    id: '2.2-B11-organization-call',
    call: 'script /orgs/acme, token without organization',
    request: (its) => call(its.cookies(), { path: '/orgs/acme' }),
    options: byPath,
    expected: SIGNED_IN,
  },
];

function byPath() {
  return { organizationSyncOptions: { organizationPatterns: ['/orgs/:slug'], personalAccountPatterns: ['/personal'] } };
}

/** 2.2 E: expired and not yet valid tokens. */
const renewals: RequestRow[] = [
  {
    id: '2.2-E-no-cookie',
    call: 'page, expired token, no __refresh',
    request: (its) => document(its.cookies(its.expired())),
    expected: handshake(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-E-no-cookie-call',
    call: 'script, expired token, no __refresh',
    request: (its) => call(its.cookies(its.expired())),
    expected: signedOut(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-E-non-get',
    call: 'POST, expired token, __refresh',
    request: (its) => document(its.renewable(), { method: 'POST' }),
    expected: signedOut(expired('non-eligible-non-get')),
  },
  {
    id: '2.2-E-fetch-error',
    call: 'page, expired token, __refresh, the Backend API cannot be reached',
    request: (its) => document(its.renewable()),
    options: (its) => ({ jwtKey: its.app.jwtKey }),
    backend: null,
    expected: handshake(expired('fetch-error')),
  },
  {
    id: '2.2-E-unexpected-bapi-error',
    call: 'page, expired token, __refresh, /refresh answers 500 without JSON',
    request: (its) => document(its.renewable()),
    backend: () => ({ '/refresh': { status: 500, contentType: 'text/plain', body: 'down' } }),
    expected: handshake(expired('unexpected-bapi-error')),
  },
  {
    id: '2.2-E-unexpected-sdk-error',
    call: 'page, expired token, __refresh, /refresh answers without cookies',
    request: (its) => document(its.renewable()),
    backend: () => ({ '/refresh': { body: '{"object":"cookies","cookies":[]}' } }),
    expected: handshake(expired('unexpected-sdk-error')),
  },
  {
    id: '2.2-E-invalid-session-token',
    call: 'page, expired token, __refresh, /refresh answers with a forged token',
    request: (its) => document(its.renewable()),
    backend: (its) => ({ '/refresh': { body: JSON.stringify({ object: 'cookies', cookies: [`__session=${its.forged()}; Path=/`] }) } }),
    expected: handshake(expired('invalid-session-token')),
  },
  {
    id: '2.2-E-missing-sid',
    call: 'page, expired token without sid, __refresh',
    request: (its) => document(its.renewable(its.expired({ sid: undefined }))),
    expected: handshake(expired('expired-session-token-missing-sid-claim')),
  },
  {
    id: '2.2-E-missing-api-client',
    call: 'page, expired token, __refresh, no client for the Backend API',
    request: (its) => document(its.renewable()),
    options: () => ({ apiClient: undefined }),
    expected: handshake(expired('missing-api-client')),
  },
  {
    id: '2.2-E-bapi-code',
    call: 'page, expired token, an unknown __refresh',
    request: (its) => document(its.renewable(undefined, 'x.y')),
    expected: handshake(expired('refresh_token_invalid')),
  },
  {
    id: '2.2-E-bapi-code-session',
    call: 'page, expired token of a session that does not exist, __refresh',
    request: (its) => document(its.renewable(its.expired({ sid: 'sess_unknown' }))),
    expected: handshake(expired('session_not_found')),
  },
  {
    id: '2.2-E-nbf',
    call: 'page, token with nbf 8 s ahead',
    request: (its) => document(its.cookies(its.signed({ nbf: its.now + 8 }))),
    expected: handshake('session-token-nbf'),
  },
  {
    id: '2.2-E-iat',
    call: 'page, token with iat 8 s ahead',
    request: (its) => document(its.cookies(its.signed({ iat: its.now + 8 }))),
    expected: handshake('session-token-iat-in-the-future'),
  },
  {
    id: '2.2-E-header',
    call: 'page, expired Bearer token',
    request: (its) => document({}, { headers: { authorization: `Bearer ${its.expired()}` } }),
    expected: handshake(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-E-header-accept',
    call: 'expired Bearer token, Accept: text/html, no Sec-Fetch-Dest',
    request: (its) => old({}, { authorization: `Bearer ${its.expired()}` }),
    expected: handshake(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-eligible-iframe',
    call: 'Sec-Fetch-Dest: iframe, expired token',
    request: (its) => document(its.cookies(its.expired()), { headers: { 'sec-fetch-dest': 'iframe' } }),
    expected: handshake(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-eligible-accept',
    call: 'Accept: text/html, no Sec-Fetch-Dest, expired token',
    request: (its) => old(its.cookies(its.expired())),
    expected: handshake(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-eligible-not-html',
    call: 'Accept: */*, no Sec-Fetch-Dest, expired token',
    request: (its) => old(its.cookies(its.expired()), { accept: '*/*' }),
    expected: signedOut(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-eligible-script-html',
    call: 'Sec-Fetch-Dest: empty, Accept: text/html, expired token',
    request: (its) => call(its.cookies(its.expired()), { headers: { accept: 'text/html' } }),
    expected: signedOut(expired('non-eligible-no-refresh-cookie')),
  },
  {
    id: '2.2-eligible-post',
    call: 'POST of a form, __client_uat and no token',
    request: (its) => document(its.both({ uat: its.hourAgo }), { method: 'POST' }),
    expected: signedOut('client-uat-but-no-session-token'),
  },
];

/** From a browser without Sec-Fetch headers. */
function old(cookies: Record<string, string>, headers: Record<string, string> = {}): Asked {
  return { method: 'GET', path: '/dashboard', headers: { accept: 'text/html', ...headers }, cookies };
}

/** 3.1, 3.4, 3.5 and 3.6: the handshake from the app's side, and the refresh. */
const handshakes: RequestRow[] = [
  {
    id: '3.1-redirect',
    call: 'page /dashboard?a=1, expired token',
    request: (its) => document(its.cookies(its.expired()), { path: '/dashboard?a=1' }),
    expected: {
      ...handshake(expired('non-eligible-no-refresh-cookie')),
      location: '{proxy}/v1/client/handshake',
      query:
        'redirect_url={origin}/dashboard?a=1 & __clerk_api_version=2026-05-12 & suffixed_cookies=true & ' +
        `__clerk_hs_reason=${expired('non-eligible-no-refresh-cookie')} & format=nonce & __session={cookie}`,
      'cache-control': 'no-store',
      sets: '__clerk_redirect_count=1; SameSite=Lax; HttpOnly; Max-Age=2',
    },
  },
  {
    id: '3.1-redirect-no-token',
    call: 'page, plain __client_uat and no token',
    request: (its) => document(its.plain({ uat: its.hourAgo })),
    expected: {
      location: '{proxy}/v1/client/handshake',
      query:
        'redirect_url={origin}/dashboard & __clerk_api_version=2026-05-12 & suffixed_cookies=false & ' +
        '__clerk_hs_reason=client-uat-but-no-session-token & format=nonce',
    },
  },
  {
    id: '3.1-redirect-url',
    call: 'page with __clerk_db_jwt and __dev_session in its query, no token',
    request: (its) => document(its.both({ uat: its.hourAgo }), { path: '/dashboard?__clerk_db_jwt=x&a=1&__dev_session=y' }),
    expected: { ...handshake('client-uat-but-no-session-token'), returns: '{origin}/dashboard?a=1' },
  },
  {
    id: '3.1-relative-proxy',
    call: 'page, no token, proxyUrl /__clerk',
    request: (its) => document(its.both({ uat: its.hourAgo })),
    options: () => ({ proxyUrl: '/__clerk' }),
    expected: { location: '{proxy}/v1/client/handshake' },
  },
  {
    id: '3.1-no-proxy',
    call: 'page, no token, no proxyUrl',
    request: (its) => document(its.both({ uat: its.hourAgo })),
    options: () => ({ proxyUrl: undefined }),
    expected: { location: '{issuer}/v1/client/handshake' },
  },
  {
    id: '3.1-forwarded',
    call: 'page, no token, X-Forwarded-Proto: https, X-Forwarded-Host: app.example.test, inner.example.test',
    request: (its) =>
      document(its.both({ uat: its.hourAgo }), {
        headers: { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example.test, inner.example.test' },
      }),
    expected: { ...handshake('client-uat-but-no-session-token'), returns: 'https://app.example.test/dashboard' },
  },
  {
    id: '3.4-nonce',
    call: 'page, expired token, handshake nonce in the cookie',
    request: async (its) => document({ ...its.cookies(its.expired()), __clerk_handshake_nonce: await its.handshake('nonce') }),
    expected: { ...SIGNED_IN, who: 'the user', token: 'new', location: null, setNames: DIRECTIVES },
  },
  {
    id: '3.4-token',
    call: 'page, expired token, handshake token in the cookie',
    request: async (its) => document({ ...its.cookies(its.expired()), __clerk_handshake: await its.handshake('token') }),
    expected: { ...SIGNED_IN, who: 'the user', token: 'new', location: null, setNames: DIRECTIVES },
  },
  {
    id: '3.4-query',
    call: 'page with the handshake nonce in its query, an unknown one in the cookie',
    request: async (its) =>
      document({ __clerk_handshake_nonce: 'unknown' }, { path: `/dashboard?__clerk_handshake_nonce=${await its.handshake('nonce')}` }),
    expected: { ...SIGNED_IN, token: 'new', location: null },
  },
  {
    id: '3.4-nonce-first',
    call: 'page, unknown nonce and a valid handshake token',
    request: async (its) => document({ __clerk_handshake_nonce: 'unknown', __clerk_handshake: await its.handshake('token') }),
    expected: signedOut('session-token-missing'),
  },
  {
    id: '3.4-call',
    call: 'script, handshake nonce in the cookie',
    request: async (its) => call({ __clerk_handshake_nonce: await its.handshake('nonce') }),
    expected: { ...SIGNED_IN, token: 'new' },
  },
  {
    id: '3.4-signed-out-nonce',
    call: 'page, nonce of a signed-out handshake',
    request: async (its) => document({ __clerk_handshake_nonce: await its.handshake('nonce', 'no user') }),
    expected: { ...signedOut('session-token-missing'), setNames: DIRECTIVES },
  },
  {
    id: '3.4-signed-out-token',
    call: 'page, token of a signed-out handshake',
    request: async (its) => document({ __clerk_handshake: await its.handshake('token', 'no user') }),
    expected: { ...signedOut('session-token-missing'), setNames: DIRECTIVES },
  },
  {
    id: '3.4-unknown-nonce',
    call: 'page, valid cookies, unknown nonce',
    request: (its) => document({ ...its.cookies(), __clerk_handshake_nonce: 'unknown' }),
    expected: { ...signedOut('session-token-missing'), sets: '' },
  },
  {
    id: '3.4-forged-token',
    call: 'page, valid cookies, handshake token with a wrong signature',
    request: (its) => document({ ...its.cookies(), __clerk_handshake: its.forged({ handshake: [] }) }),
    expected: { ...SIGNED_IN, token: 'plain cookie and suffixed cookie' },
  },
  {
    id: '3.4-forged-token-alone',
    call: 'page, no other cookies, handshake token with a wrong signature',
    request: (its) => document({ __clerk_handshake: its.forged({ handshake: [] }) }),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '3.4-template-token',
    call: 'page, handshake token with cat of a JWT template',
    request: (its) => document({ __clerk_handshake: its.handshakeToken([`__session=${its.token}`], TEMPLATE) }),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '3.4-cat-absent',
    call: 'page, handshake token without cat',
    request: (its) => document({ __clerk_handshake: its.handshakeToken([`__session=${its.token}`], { cat: undefined }) }),
    expected: SIGNED_IN,
  },
  {
    id: '3.4-last-directive',
    call: 'page, handshake token with two __session directives',
    request: (its) =>
      document({ __clerk_handshake: its.handshakeToken([`__session=${its.forged()}; Path=/`, `__session_${its.suffix}=${its.token}; Path=/`]) }),
    expected: { ...SIGNED_IN, who: 'the user' },
  },
  {
    id: '3.4-expired-directive',
    call: 'page, valid cookies, handshake token with an expired session token',
    request: (its) => document({ ...its.cookies(), __clerk_handshake: its.handshakeToken([`__session=${its.expired()}; Path=/`]) }),
    expected: { ...SIGNED_IN, token: 'plain cookie and suffixed cookie' },
  },
  ...[1, 2].map((count): RequestRow => ({
    id: `3.5-count-${count}`,
    call: `page, no token, __clerk_redirect_count=${count}`,
    request: (its) => document({ ...its.both({ uat: its.hourAgo }), __clerk_redirect_count: String(count) }),
    expected: { ...handshake('client-uat-but-no-session-token'), sets: `__clerk_redirect_count=${count + 1}; SameSite=Lax; HttpOnly; Max-Age=2` },
  })),
  {
    id: '3.5-count-3',
    call: 'page, no token, __clerk_redirect_count=3',
    request: (its) => document({ ...its.both({ uat: its.hourAgo }), __clerk_redirect_count: '3' }),
    expected: {
      ...signedOut('client-uat-but-no-session-token'),
      location: null,
      sets: '',
      says:
        'Clerk: Refreshing the session token resulted in an infinite redirect loop. This usually means that your Clerk instance keys do not match - ' +
        'make sure to copy the correct publishable and secret keys from the Clerk dashboard.',
    },
  },
  {
    id: '3.5-count-4',
    call: 'page, no token, __clerk_redirect_count=4',
    request: (its) => document({ ...its.both({ uat: its.hourAgo }), __clerk_redirect_count: '4' }),
    expected: handshake('client-uat-but-no-session-token'),
  },
  {
    id: '3.5-count-text',
    call: 'page, no token, __clerk_redirect_count=x',
    request: (its) => document({ ...its.both({ uat: its.hourAgo }), __clerk_redirect_count: 'x' }),
    expected: { ...handshake('client-uat-but-no-session-token'), sets: '__clerk_redirect_count=1; SameSite=Lax; HttpOnly; Max-Age=2' },
  },
  {
    id: '3.6-refresh',
    call: 'page, expired token, __refresh',
    request: (its) => document(its.renewable()),
    expected: {
      ...SIGNED_IN,
      who: 'the user',
      token: 'new',
      azp: '{origin}',
      setNames: '__refresh_{suffix} __session __session_{suffix}',
      location: null,
    },
  },
  {
    id: '3.6-refresh-call',
    call: 'script, expired token, __refresh',
    request: (its) => call(its.renewable()),
    expected: { ...SIGNED_IN, token: 'new' },
  },
  {
    id: '3.6-refresh-header',
    call: 'script, expired Bearer token, __refresh',
    request: (its) => withHeader(`Bearer ${its.expired()}`, its.suffixed({ refresh: its.refresh })),
    expected: { ...SIGNED_IN, token: 'new' },
  },
  {
    id: '3.7-stale',
    call: 'page, valid cookies, claims older than the records',
    request: (its) => document(its.cookies(its.signed({ plan: 'of yesterday' }))),
    expected: { ...SIGNED_IN, token: 'plain cookie and suffixed cookie', sets: '' },
  },
];

export const requestRows: RequestRow[] = [...names, ...selection, ...headers, ...tokens, ...cookies, ...renewals, ...handshakes];

const DEVELOPMENT_DIRECTIVES = '__clerk_db_jwt __clerk_db_jwt_{suffix} ' + DIRECTIVES;
const SKEW =
  'Clerk: Clock skew detected. This usually means that your system clock is inaccurate. Clerk will attempt to account for the clock skew in development.';
/** Only the development browser's token. */
const browser = (its: Visitor) => its.both({ browser: its.client });

/** What differs in a development instance: there is no proxy, and browsers have a token. */
export const developmentRows: RequestRow[] = [
  {
    id: '2.1-name-development-browser',
    call: 'page, session and __client_uat only with the suffix, __clerk_db_jwt only without',
    request: (its) => document({ ...its.suffixed({ session: its.token, uat: its.hourAgo }), ...its.plain({ browser: its.client }) }),
    expected: handshake('dev-browser-missing'),
  },
  {
    id: '2.1-rule-6',
    call: 'page, suffixed form signed in with an expired token, plain __client_uat=0',
    request: (its) => document({ ...its.suffixed({ session: its.expired(), uat: its.hourAgo }), ...its.plain({ uat: 0, browser: its.client }) }),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.1-rule-6-valid',
    call: 'page, suffixed form signed in with a valid token, plain __client_uat=0',
    request: (its) => document({ ...its.cookies(), ...its.plain({ uat: 0 }) }),
    expected: { ...SIGNED_IN, token: 'plain cookie and suffixed cookie' },
  },
  {
    id: '2.2-B3',
    call: 'page with __clerk_redirect_url in its query, valid cookies',
    request: (its) => document(its.cookies(), { path: '/?__clerk_redirect_url=https://satellite.example/page' }),
    expected: {
      ...handshake('primary-responds-to-syncing'),
      location: 'https://satellite.example/page',
      query: '__clerk_db_jwt={client} & __clerk_synced=true',
    },
  },
  {
    id: '2.2-B4',
    call: 'page with __clerk_db_jwt in its query, valid cookies',
    request: (its) => document(its.cookies(), { path: `/dashboard?__clerk_db_jwt=${its.client}` }),
    expected: { ...handshake('dev-browser-sync'), returns: '{origin}/dashboard' },
  },
  {
    id: '2.2-B4-call',
    call: 'script with __clerk_db_jwt in its query',
    request: (its) => call(its.cookies(), { path: `/api/me?__clerk_db_jwt=${its.client}` }),
    expected: signedOut('dev-browser-sync'),
  },
  { id: '2.2-B5', call: 'page, no cookies', request: () => document(), expected: handshake('dev-browser-missing') },
  {
    id: '2.2-B5-signed-in',
    call: 'page, valid cookies except __clerk_db_jwt',
    request: (its) => document(its.both({ session: its.token, uat: its.hourAgo })),
    expected: handshake('dev-browser-missing'),
  },
  { id: '2.2-B5-call', call: 'script, no cookies', request: () => call(), expected: signedOut('dev-browser-missing') },
  {
    id: '2.2-B5-header',
    call: 'script, Bearer token and no cookies',
    request: (its) => withHeader(`Bearer ${its.token}`),
    expected: { ...SIGNED_IN, token: 'header' },
  },
  {
    id: '2.2-B6-development',
    call: 'page, __clerk_db_jwt and nothing else',
    request: (its) => document(browser(its)),
    expected: signedOut('session-token-and-uat-missing'),
  },
  {
    id: '2.2-B11-development',
    call: 'page, valid cookies',
    request: (its) => document(its.cookies()),
    expected: { ...SIGNED_IN, who: 'the user' },
  },
  {
    id: '2.2-B11-accounts-portal',
    call: 'page, valid cookies, Referer of a development accounts portal',
    request: (its) => document(its.cookies(), { headers: { referer: 'https://happy-cat-1.accounts.dev/' } }),
    expected: SIGNED_IN,
  },
  {
    id: '3.1-redirect-development',
    call: 'page, expired token',
    request: (its) => document(its.cookies(its.expired())),
    expected: {
      ...handshake(expired('non-eligible-no-refresh-cookie')),
      location: '{issuer}/v1/client/handshake',
      query:
        'redirect_url={origin}/dashboard & __clerk_api_version=2026-05-12 & suffixed_cookies=true & ' +
        `__clerk_hs_reason=${expired('non-eligible-no-refresh-cookie')} & format=nonce & __session={cookie} & __clerk_db_jwt={client}`,
    },
  },
  {
    id: '3.4-nonce-development',
    call: 'page with a handshake nonce, __clerk_help and __clerk_db_jwt in its query',
    request: async (its) =>
      document({}, { path: `/dashboard?a=1&__clerk_handshake_nonce=${await its.handshake('nonce')}&__clerk_help=1&__clerk_db_jwt=x` }),
    expected: {
      ...SIGNED_IN,
      who: 'the user',
      token: 'new',
      location: '{origin}/dashboard',
      query: 'a=1',
      'cache-control': 'no-store',
      setNames: DEVELOPMENT_DIRECTIVES,
    },
  },
  {
    id: '3.4-token-development',
    call: 'page with a handshake token in its query',
    request: async (its) => document({}, { path: `/dashboard?__clerk_handshake=${await its.handshake('token')}` }),
    expected: { ...SIGNED_IN, who: 'the user', token: 'new', location: '{origin}/dashboard', query: '', setNames: DEVELOPMENT_DIRECTIVES },
  },
  {
    id: '3.4-signed-out-development',
    call: 'page with the nonce of a handshake of a new browser',
    request: async (its) => document({}, { path: `/dashboard?__clerk_handshake_nonce=${await its.handshake('nonce', 'no user')}` }),
    expected: { ...signedOut('session-token-missing'), location: '{origin}/dashboard', setNames: DEVELOPMENT_DIRECTIVES },
  },
  {
    id: '3.4-unknown-nonce-development',
    call: 'page, valid cookies, unknown nonce in its query',
    request: (its) => document(its.cookies(), { path: '/dashboard?__clerk_handshake_nonce=unknown' }),
    expected: { ...signedOut('session-token-missing'), location: '{origin}/dashboard', sets: '' },
  },
  {
    id: '3.4-forged-token-development',
    call: 'page, valid cookies, handshake token with a wrong signature',
    request: (its) => document(its.cookies(), { path: `/dashboard?__clerk_handshake=${its.forged({ handshake: [] })}` }),
    expected: {
      status: null,
      throws:
        'Clerk: Handshake token verification failed due to an invalid signature. If you have switched Clerk keys locally, clear your cookies and try again.',
    },
  },
  {
    id: '3.4-template-token-development',
    call: 'page, valid cookies, handshake token with cat of a JWT template',
    request: (its) => document(its.cookies(), { path: `/dashboard?__clerk_handshake=${its.handshakeToken([], TEMPLATE)}` }),
    expected: {
      status: null,
      throws:
        'Clerk: Handshake token verification failed: Invalid handshake token category. Make sure that this is a valid Clerk-generated JWT. (reason=token-invalid, token-carrier=undefined).',
    },
  },
  ...(
    [
      ['expired', 'that expired 6 s ago', (its: Visitor) => its.expired()],
      ['nbf', 'valid from 8 s ahead', (its: Visitor) => its.signed({ nbf: its.now + 8 })],
      ['iat', 'issued 8 s ahead', (its: Visitor) => its.signed({ iat: its.now + 8 })],
    ] as const
  ).map(([id, what, token]): RequestRow => ({
    id: `3.4-skew-${id}`,
    call: `page, handshake token with a session token ${what}`,
    request: (its) => document({}, { path: `/dashboard?__clerk_handshake=${its.handshakeToken([`__session=${token(its)}; Path=/`])}` }),
    expected: { ...SIGNED_IN, who: 'the user', firstLine: SKEW },
  })),
  {
    id: '3.4-skew-day',
    call: 'page, valid cookies, handshake token with a session token that expired two days ago',
    request: (its) => {
      const iat = its.now - 2 * 86_400;
      return document(its.cookies(), {
        path: `/dashboard?__clerk_handshake=${its.handshakeToken([`__session=${its.signed({ iat, exp: iat + 60 })}; Path=/`])}`,
      });
    },
    expected: { ...SIGNED_IN, token: 'plain cookie and suffixed cookie' },
  },
  {
    id: '3.6-refresh-development',
    call: 'page, expired token, __refresh',
    request: (its) => document(its.renewable()),
    expected: { ...SIGNED_IN, who: 'the user', token: 'new', azp: '{origin}', location: null },
  },
];
