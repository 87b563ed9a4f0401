// Where our server differs from the official library on purpose, row by row, and which rows are not sent to it.
import type { FaultSettings } from '../support/clerk';
import type { RequestRow } from './request-rows';
import type { Values } from './support/rows';

export interface Difference {
  /** Values that differ from the row's, or that the row does not have. */
  ours: Values;
  why: string;
}

const SIGNED_IN = { status: 'signed-in', reason: null };
const signedOut = (reason: string, answer: string) => ({ status: 'signed-out', reason, answer });
const EXPIRED = 'session-token-expired';
const NO_RESULT =
  '__clerk_redirect_count=3; HttpOnly; SameSite=Lax; Path=/; Max-Age=10, ' +
  '__clerk_handshake=; SameSite=Lax; Path=/; Max-Age=0, __clerk_handshake_nonce=; SameSite=Lax; Path=/; Max-Age=0';
const counted = (count: number): Difference => ({
  ours: { sets: `__clerk_redirect_count=${count}; HttpOnly; SameSite=Lax; Path=/; Max-Age=2` },
  why: 'The same attributes in another order, and Path=/ (Secure over https): without it each directory would have its own counter.',
});

const ISSUER = 'The issuer is always checked. Clerk’s library 3.20 uses it only to choose between cookies.';
const ADDRESS =
  'In production no result is taken from the query: a link must not sign its visitor in as its sender. Clerk’s own production instances use cookies.';
const DOCUMENTS = 'Only documents take a handshake’s result, are renewed by the refresh cookie, or need a development browser. A script gets a typed 401.';
const LIKE_ANY_OTHER =
  'A result changes the request’s cookies, which are then checked like any others, and a session without __client_uat is incomplete. Clerk’s results carry it.';
const SKEW = LIKE_ANY_OTHER + ' Clocks may never differ by more than 5 s; Clerk’s library allows a day in development.';
const USED_UP = 'A used nonce, or a result that is not Clerk’s, does not end a valid session. It is removed, and no handshake follows for 10 s.';
const STOPPED = 'The redirect that cleans the query sets a full counter, so that no handshake follows at once.';
const withCounter = (names: string) => ({ setNames: names });
const DEVELOPMENT_NAMES =
  '__clerk_db_jwt __clerk_db_jwt_{suffix} __clerk_handshake __clerk_handshake_nonce __clerk_redirect_count __client_uat __client_uat_{suffix} ' +
  '__refresh_{suffix} __session __session_{suffix}';

/** By row id. */
export const differences: Record<string, Difference> = {
  '2.1-rule-1': { ours: { ...signedOut('token-invalid-issuer', '401 session_refused'), token: null }, why: `${ISSUER} The plain token is chosen and rejected.` },
  '2.1-rule-2-scheme': { ours: { ...signedOut('token-invalid-issuer', '401 session_refused'), token: null }, why: ISSUER },
  '2.1-header-case': { ours: { ...SIGNED_IN, token: 'header' }, why: 'The scheme of an Authorization header is case-insensitive (RFC 9110, 11.1).' },
  '2.2-A-cat-ignore': {
    ours: signedOut('token-type-mismatch', '401 session_refused'),
    why: 'No session token has this category, and Clerk does not document its purpose.',
  },
  '2.2-alg-rs512': { ours: { reason: 'token-invalid-algorithm' }, why: 'Clerk signs session tokens with RS256 only. RS384 and RS512 are never tried.' },
  '2.2-token-invalid-authorized-parties-absent': {
    ours: { reason: 'token-missing-authorized-party', answer: '401 session_stale' },
    why: 'A missing azp has its own state: the browser repairs it by requesting a new token.',
  },
  '2.2-iss': { ours: signedOut('token-invalid-issuer', '401 session_refused'), why: ISSUER },
  '2.2-sts-pending': {
    ours: signedOut('session-pending', '403 session_pending'),
    why: 'Clerk’s library calls it signed-in, but returns no user. Ours says that a task at Clerk is pending; a page leads to sign-in, which shows it.',
  },
  '2.2-jwk-remote-failed-to-load': { ours: { answer: '503 unavailable' }, why: '“We cannot check now” is not “signed out”: 503, and the session is kept.' },
  '2.2-unexpected-error': {
    ours: { reason: 'jwk-remote-failed-to-load', answer: '503 unavailable' },
    why: '“We cannot check now” is not “signed out”: 503, and the session is kept. It has one name, whatever the failure.',
  },
  '2.2-B11-cross-origin': { ours: SIGNED_IN, why: 'That handshake updates satellite domains. We have none: a link from another site opens at once.' },
  '2.2-B11-cross-origin-post': { ours: { status: 'refused', answer: '403 cross_site' }, why: 'A write from another site is rejected before its session is checked.' },
  '3.1-redirect': counted(1),
  '3.5-count-1': counted(2),
  '3.5-count-2': counted(3),
  '3.5-count-text': counted(1),
  '3.1-forwarded': { ours: { returns: '{origin}/dashboard' }, why: 'Our origin is configured (PUBLIC_ORIGIN). A header that any client can send does not change it.' },
  '3.4-query': { ours: { ...signedOut('session-token-missing', '303 /sign-in'), token: null }, why: ADDRESS },
  '3.4-call': { ours: { ...signedOut('session-token-and-uat-missing', '401 signed_out'), token: null }, why: DOCUMENTS },
  '3.4-unknown-nonce': { ours: { ...SIGNED_IN, sets: NO_RESULT }, why: USED_UP },
  '3.4-cat-absent': { ours: signedOut('session-token-but-no-client-uat', '303 /token-pending'), why: LIKE_ANY_OTHER },
  '3.4-last-directive': { ours: { ...signedOut('session-token-but-no-client-uat', '303 /token-pending'), who: 'no user' }, why: LIKE_ANY_OTHER },
  '3.5-count-4': {
    ours: { status: 'signed-out', answer: '303 /token-pending' },
    why: 'The limit also applies above 3. Clerk’s library checks only whether the counter is exactly 3.',
  },
  '3.6-refresh-call': { ours: { ...signedOut(EXPIRED, '401 session_stale'), token: null }, why: DOCUMENTS },
  '3.6-refresh-header': { ours: { ...signedOut(EXPIRED, '401 session_stale'), token: null }, why: DOCUMENTS },

  '2.2-B3': { ours: { ...SIGNED_IN, location: null, query: null }, why: 'Satellite domains are not served: no request sends a browser, and its token, to another site.' },
  '2.2-B4-call': { ours: SIGNED_IN, why: DOCUMENTS },
  '2.2-B5-call': { ours: { reason: 'session-token-and-uat-missing' }, why: DOCUMENTS },
  '3.4-nonce-development': { ours: withCounter(DEVELOPMENT_NAMES), why: STOPPED },
  '3.4-token-development': { ours: withCounter(DEVELOPMENT_NAMES), why: STOPPED },
  '3.4-signed-out-development': {
    ours: { reason: 'session-token-and-uat-missing', ...withCounter(DEVELOPMENT_NAMES) },
    why: `${STOPPED} The next request has its own reason.`,
  },
  '3.4-unknown-nonce-development': { ours: { ...SIGNED_IN, sets: NO_RESULT }, why: USED_UP },
  '3.4-forged-token-development': { ours: { status: 'signed-in' }, why: `${USED_UP} Clerk’s library throws, which is an error page.` },
  '3.4-template-token-development': { ours: { status: 'signed-in' }, why: `${USED_UP} Clerk’s library throws, which is an error page.` },
  ...Object.fromEntries(
    ['expired', 'nbf', 'iat'].map((id) => [
      `3.4-skew-${id}`,
      { ours: { ...signedOut('session-token-but-no-client-uat', '303 /token-pending'), who: 'no user' }, why: SKEW },
    ]),
  ),
};

type Fault = NonNullable<FaultSettings['faults']>[number];

/** The emulator's faults for rows in which the official library gets a stub. */
export const faults: Record<string, Pick<Fault, 'path_starts_with' | 'path_ends_with' | 'cut' | 'status'>> = {
  '2.2-E-fetch-error': { path_starts_with: '', path_ends_with: '/refresh', cut: true },
  '2.2-jwk-remote-failed-to-load': { path_starts_with: '/v1/jwks', path_ends_with: '', status: 500 },
  '2.2-unexpected-error': { path_starts_with: '/v1/jwks', path_ends_with: '', cut: true },
};

/** Rows whose options match our server's configuration anyway. */
const AS_CONFIGURED = ['2.2-iss', '3.1-relative-proxy', '2.2-E-fetch-error'];

/** Why a row's request is not sent to our server; undefined: it is sent. */
export function leftOut({ id, options, backend }: RequestRow): string | undefined {
  if (id in faults) return undefined;
  if (options && !AS_CONFIGURED.includes(id)) return 'It needs an option that our server does not have, or that the tested app is not configured with.';
  if (backend !== undefined) return 'The emulator never gives this response.';
  return undefined;
}
