// The Backend API as the official @clerk/backend calls it: section 6 of the protocol. Which call is sent, what the
// response is, and what the library makes of it.
import { createClerkClient, verifyToken } from '@clerk/backend';
import { getCookieSuffix } from '@clerk/shared/keys';
import type { Emulator } from '../support/emulator.mjs';
import type { Row, Values } from './support/rows';
import { Frontend, header, payload, type Visitor } from './support/visitor';

type Clerk = ReturnType<typeof createClerkClient>;
type User = Awaited<ReturnType<Clerk['users']['getUser']>>;

export interface Context {
  /** The library, through a recording relay. */
  clerk: Clerk;
  /** The library without the relay, for a row's setup. */
  before: Clerk;
  /** A new user. */
  user: User;
  /** A user who is signed in from a browser. */
  its: Visitor;
  emulator: Emulator;
  /** The library through a relay that changes the content type. */
  withContentType: (contentType: string) => Promise<Clerk>;
  /** A raw call through the relay. */
  byHand: (method: string, path: string, init?: { headers?: Record<string, string>; body?: string }) => Promise<Response>;
}

export interface BackendRow extends Row {
  see: (context: Context) => Promise<Values | void>;
}

const OK = { status: '200', content: 'application/json' };
const error = (status: number, code: string) => ({ throws: 'ClerkAPIResponseError', error: status, code, content: 'application/json' });
const NOT_FOUND = error(404, 'resource_not_found');
const UNKNOWN = 'user_unknown';
const NO_ORGANIZATIONS = 'Differs: the emulator has no organizations. Here they live in the app’s own database.';
const METADATA = { publicMetadata: { a: { b: 1, c: 2 }, plan: 'pro' }, privateMetadata: { secret: 1 }, unsafeMetadata: { color: 'red' } };

const json = (value: unknown) => JSON.stringify(value);
const shown = ({ publicMetadata, privateMetadata, unsafeMetadata }: User) => json([publicMetadata, privateMetadata, unsafeMetadata]);

const users: BackendRow[] = [
  {
    id: '6-users-get',
    call: 'users.getUser(id)',
    see: async ({ clerk, user }) => {
      const found = await clerk.users.getUser(user.id);
      return {
        email: found.primaryEmailAddress?.emailAddress === user.emailAddresses[0].emailAddress,
        private: json(found.privateMetadata),
        banned: found.banned,
      };
    },
    expected: { wire: 'GET /v1/users/{user}', ...OK, version: '2026-05-12', email: true, private: '{}', banned: false },
  },
  {
    id: '6-users-get-unknown',
    call: 'users.getUser(unknown)',
    see: async ({ clerk }) => void (await clerk.users.getUser(UNKNOWN)),
    expected: { ...NOT_FOUND, trace: true },
  },
  {
    id: '6-users-list',
    call: 'users.getUserList()',
    see: async ({ clerk }) => {
      const { data, totalCount } = await clerk.users.getUserList({ limit: 2 });
      return { listed: data.length, more: totalCount > 2, newestFirst: data[0].createdAt >= data[1].createdAt };
    },
    expected: {
      wire: 'GET /v1/users/count, GET /v1/users?limit=2',
      status: '200, 200',
      content: 'application/json',
      listed: 2,
      more: true,
      newestFirst: true,
    },
  },
  ...(
    [
      ['email', (user: User) => ({ emailAddress: [user.emailAddresses[0].emailAddress] })],
      ['id', (user: User) => ({ userId: [user.id] })],
      ['query', (user: User) => ({ query: user.emailAddresses[0].emailAddress.slice(0, 12) })],
    ] as const
  ).map(([what, filter]): BackendRow => ({
    id: `6-users-list-${what}`,
    call: `users.getUserList() by ${what}`,
    see: async ({ clerk, user }) => {
      const { data, totalCount } = await clerk.users.getUserList(filter(user));
      return { found: data.map(({ id }) => id).join() === user.id, totalCount };
    },
    expected: { found: true, totalCount: 1 },
  })),
  {
    id: '6-users-list-page',
    call: 'users.getUserList({ limit: 1, offset: 1, orderBy: "created_at" })',
    see: async ({ clerk, user }) => {
      const all = (await clerk.users.getUserList({ limit: 100, orderBy: 'created_at' })).data;
      const [second] = (await clerk.users.getUserList({ limit: 1, offset: 1, orderBy: 'created_at' })).data;
      return { second: second.id === all[1].id, last: all.at(-1)?.id === user.id };
    },
    expected: { second: true, last: true },
  },
  {
    id: '6-users-list-limit',
    call: 'users.getUserList({ limit: 501 })',
    see: async ({ clerk }) => void (await clerk.users.getUserList({ limit: 501 })),
    expected: error(422, 'form_param_value_invalid'),
  },
  {
    id: '6-users-count',
    call: 'users.getCount()',
    see: async ({ clerk }) => ({ counted: (await clerk.users.getCount()) > 0 }),
    expected: { wire: 'GET /v1/users/count', ...OK, counted: true },
  },
  {
    id: '6-users-create',
    call: 'users.createUser()',
    see: async ({ clerk }) => {
      const email = `made-${Date.now()}@example.test`;
      const made = await clerk.users.createUser({ emailAddress: [email], password: 'a long password', firstName: 'Mae', ...METADATA });
      return {
        name: made.firstName,
        verified: made.primaryEmailAddress?.verification?.status ?? null,
        password: made.passwordEnabled,
        metadata: shown(made),
      };
    },
    expected: { wire: 'POST /v1/users', ...OK, name: 'Mae', verified: 'verified', password: true, metadata: shown(METADATA as never) },
  },
  {
    id: '6-users-create-taken',
    call: 'users.createUser() with a taken address',
    see: async ({ clerk, user }) => void (await clerk.users.createUser({ emailAddress: [user.emailAddresses[0].emailAddress] })),
    expected: { ...error(422, 'form_identifier_exists'), parameter: 'email_address' },
  },
  {
    id: '6-users-create-password',
    call: 'users.createUser() with a password of seven letters',
    see: async ({ clerk }) => void (await clerk.users.createUser({ emailAddress: ['short@example.test'], password: 'seven77' })),
    expected: { ...error(422, 'form_password_length_too_short'), parameter: 'password' },
  },
  {
    id: '6-users-update',
    call: 'users.updateUser(id, { firstName })',
    see: async ({ clerk, user }) => {
      const changed = await clerk.users.updateUser(user.id, { firstName: 'Mae' });
      return { name: changed.firstName, later: changed.updatedAt > user.updatedAt };
    },
    expected: { wire: 'PATCH /v1/users/{user}', ...OK, name: 'Mae', later: true },
  },
  {
    id: '6-users-update-metadata',
    call: 'users.updateUser(id, { firstName, publicMetadata })',
    see: async ({ clerk, user }) => ({
      metadata: json((await clerk.users.updateUser(user.id, { firstName: 'Mae', publicMetadata: { a: 1 } })).publicMetadata),
    }),
    expected: { wire: 'PATCH /v1/users/{user}, PUT /v1/users/{user}/metadata', status: '200, 200', content: 'application/json', metadata: '{"a":1}' },
  },
  {
    id: '6-users-patch-metadata',
    call: 'PATCH /v1/users/{user} with public_metadata, Clerk-API-Version 2026-05-12',
    see: async ({ byHand, user }) =>
      answered(
        await byHand('PATCH', `/v1/users/${user.id}`, { headers: { 'clerk-api-version': '2026-05-12' }, body: '{"public_metadata":{"a":1}}' }),
      ),
    expected: { status: '422', code: 'form_param_unknown', content: 'application/json' },
  },
  {
    id: '6-users-patch-metadata-before',
    call: 'the same with Clerk-API-Version 2025-11-10',
    see: async ({ byHand, user }) =>
      answered(
        await byHand('PATCH', `/v1/users/${user.id}`, { headers: { 'clerk-api-version': '2025-11-10' }, body: '{"public_metadata":{"a":1}}' }),
      ),
    expected: { status: '200', metadata: '{"a":1}' },
  },
  {
    id: '6-metadata-merge',
    call: 'users.updateUserMetadata(), keys in two levels',
    see: async ({ clerk, before, user }) => {
      await before.users.updateUserMetadata(user.id, METADATA);
      const changed = await clerk.users.updateUserMetadata(user.id, { publicMetadata: { a: { d: 3 }, camelKey: { innerKey: 1 } } });
      return { metadata: shown(changed) };
    },
    expected: {
      wire: 'PATCH /v1/users/{user}/metadata',
      ...OK,
      metadata: '[{"a":{"b":1,"c":2,"d":3},"camelKey":{"innerKey":1},"plan":"pro"},{"secret":1},{"color":"red"}]',
    },
  },
  {
    id: '6-metadata-merge-null',
    call: 'users.updateUserMetadata(), null in two levels',
    see: async ({ clerk, before, user }) => {
      await before.users.updateUserMetadata(user.id, METADATA);
      return { metadata: shown(await clerk.users.updateUserMetadata(user.id, { publicMetadata: { a: { b: null }, plan: null } })) };
    },
    expected: { metadata: '[{"a":{"c":2}},{"secret":1},{"color":"red"}]' },
  },
  {
    id: '6-metadata-later',
    call: 'users.updateUserMetadata(), the same twice',
    see: async ({ clerk, user }) => {
      const first = await clerk.users.updateUserMetadata(user.id, { publicMetadata: { a: 1 } });
      const second = await clerk.users.updateUserMetadata(user.id, { publicMetadata: { a: 1 } });
      return { later: first.updatedAt > user.updatedAt && second.updatedAt > first.updatedAt };
    },
    expected: { later: true },
  },
  {
    id: '6-metadata-replace',
    call: 'users.replaceUserMetadata(), public only',
    see: async ({ clerk, before, user }) => {
      await before.users.updateUserMetadata(user.id, METADATA);
      return { metadata: shown(await clerk.users.replaceUserMetadata(user.id, { publicMetadata: { a: { d: 3 } } })) };
    },
    expected: { wire: 'PUT /v1/users/{user}/metadata', ...OK, metadata: '[{"a":{"d":3}},{"secret":1},{"color":"red"}]' },
  },
  {
    id: '6-metadata-large',
    call: 'users.updateUserMetadata() with more than 8 kB',
    see: async ({ clerk, user }) => void (await clerk.users.updateUserMetadata(user.id, { publicMetadata: { a: 'x'.repeat(8 * 1024) } })),
    expected: error(422, 'form_param_exceeds_allowed_size'),
  },
  {
    id: '6-metadata-unknown',
    call: 'users.updateUserMetadata(unknown)',
    see: async ({ clerk }) => void (await clerk.users.updateUserMetadata(UNKNOWN, { publicMetadata: {} })),
    expected: NOT_FOUND,
  },
  {
    id: '6-users-delete',
    call: 'users.deleteUser(id)',
    see: async ({ clerk, before, user }) => {
      const { deleted, id } = (await clerk.users.deleteUser(user.id)) as unknown as { deleted: boolean; id: string };
      return { deleted, same: id === user.id, left: await before.users.getCount({ userId: [user.id] }) };
    },
    expected: { wire: 'DELETE /v1/users/{user}', ...OK, deleted: true, same: true, left: 0 },
  },
  {
    id: '6-users-ban',
    call: 'users.banUser(id), with a session',
    see: async ({ clerk, before, user }) => {
      const session = await before.sessions.createSession({ userId: user.id });
      const { banned } = await clerk.users.banUser(user.id);
      return { banned, session: (await before.sessions.getSession(session.id)).status };
    },
    expected: { wire: 'POST /v1/users/{user}/ban', ...OK, banned: true, session: 'revoked' },
  },
  {
    id: '6-users-password',
    call: 'users.verifyPassword()',
    see: async ({ clerk, user }) => ({ verified: (await clerk.users.verifyPassword({ userId: user.id, password: 'a long password' })).verified }),
    expected: { wire: 'POST /v1/users/{user}/verify_password', ...OK, verified: true },
  },
  {
    id: '6-users-password-wrong',
    call: 'users.verifyPassword(), wrong',
    see: async ({ clerk, user }) => void (await clerk.users.verifyPassword({ userId: user.id, password: 'another password' })),
    expected: error(422, 'incorrect_password'),
  },
  {
    id: '6-users-memberships',
    call: 'users.getOrganizationMembershipList()',
    see: async ({ clerk, user }) => ({ totalCount: (await clerk.users.getOrganizationMembershipList({ userId: user.id })).totalCount }),
    expected: { wire: 'GET /v1/users/{user}/organization_memberships', ...OK, totalCount: 0 },
    remark: NO_ORGANIZATIONS,
  },
];

const sessions: BackendRow[] = [
  {
    id: '6-jwks',
    call: 'jwks.getJwks()',
    see: async ({ clerk, its }) => {
      const { keys = [] } = await clerk.jwks.getJwks();
      const [key] = keys as unknown as Record<string, string>[];
      return { fields: Object.keys(key).sort().join(' '), keys: keys.length, kid: key.kid === header(its.token).kid, alg: key.alg, use: key.use };
    },
    expected: { wire: 'GET /v1/jwks', ...OK, fields: 'alg e kid kty n use', keys: 1, kid: true, alg: 'RS256', use: 'sig' },
  },
  {
    id: '6-jwks-frontend',
    call: 'GET /.well-known/jwks.json, without a key',
    see: async ({ byHand }) => {
      const { keys } = await (await byHand('GET', '/.well-known/jwks.json', { headers: { authorization: '' } })).json();
      return { keys: keys.length };
    },
    expected: { ...OK, keys: 1 },
  },
  {
    id: '6-sessions-create',
    call: 'sessions.createSession()',
    see: async ({ clerk, user }) => {
      const session = await clerk.sessions.createSession({ userId: user.id });
      return { of: session.userId === user.id, state: session.status, days: Math.round((session.expireAt - session.createdAt) / 86_400_000) };
    },
    expected: { wire: 'POST /v1/sessions', ...OK, of: true, state: 'active', days: 7 },
  },
  {
    id: '6-sessions-create-unknown',
    call: 'sessions.createSession() for an unknown user',
    see: async ({ clerk }) => void (await clerk.sessions.createSession({ userId: UNKNOWN })),
    expected: NOT_FOUND,
  },
  {
    id: '6-sessions-get',
    call: 'sessions.getSession(id)',
    see: async ({ clerk, its }) => {
      const session = await clerk.sessions.getSession(its.session);
      return {
        of: session.userId === its.user,
        client: session.clientId === its.client.split('.')[0],
        state: session.status,
        abandons: session.abandonAt > session.expireAt,
      };
    },
    expected: { wire: 'GET /v1/sessions/{session}', ...OK, of: true, client: true, state: 'active', abandons: true },
  },
  {
    id: '6-sessions-get-unknown',
    call: 'sessions.getSession(unknown)',
    see: async ({ clerk }) => void (await clerk.sessions.getSession('sess_unknown')),
    expected: NOT_FOUND,
  },
  {
    id: '6-sessions-list',
    call: 'sessions.getSessionList({ userId })',
    see: async ({ clerk, before, user }) => {
      await before.sessions.createSession({ userId: user.id });
      const { data, totalCount } = await clerk.sessions.getSessionList({ userId: user.id, status: 'active' });
      return { listed: data.length, totalCount };
    },
    expected: { wire: 'GET /v1/sessions?user_id={user}&status=active&paginated=true', ...OK, listed: 1, totalCount: 1 },
  },
  {
    id: '6-sessions-token',
    call: 'sessions.getToken(id), a session created by the Backend API',
    see: async ({ clerk, before, user }) => {
      const session = await before.sessions.createSession({ userId: user.id });
      const { jwt } = await clerk.sessions.getToken(session.id);
      const { sub, azp, exp, iat, nbf, sts, v, fva } = payload(jwt) as Record<string, number>;
      return {
        sub: String(sub) === user.id,
        azp: azp ?? null,
        life: exp - iat,
        early: iat - nbf,
        sts,
        v,
        fva: json(fva),
        cat: String(header(jwt).cat),
        oiat: header(jwt).oiat === iat,
      };
    },
    expected: {
      wire: 'POST /v1/sessions/{session}/tokens',
      ...OK,
      sub: true,
      azp: null,
      life: 60,
      early: 10,
      sts: 'active',
      v: 2,
      fva: '[0,-1]',
      cat: 'cl_B7d4PD111AAA',
      oiat: true,
    },
    remark:
      'Whether Clerk’s tokens from here carry azp and oiat, and in which unit oiat is, is unknown. The emulator’s have oiat, in seconds, and azp if the session was started in a browser.',
  },
  {
    id: '6-sessions-token-azp',
    call: 'sessions.getToken(id), a session started in a browser',
    see: async ({ clerk, its }) => ({ azp: payload((await clerk.sessions.getToken(its.session)).jwt).azp === its.app.origin }),
    expected: { ...OK, azp: true },
    remark: 'See 6-sessions-token.',
  },
  {
    id: '6-sessions-token-life',
    call: 'sessions.getToken(id, undefined, 600)',
    see: async ({ clerk, its }) => {
      const { exp, iat } = payload((await clerk.sessions.getToken(its.session, undefined, 600)).jwt) as Record<string, number>;
      return { life: exp - iat };
    },
    expected: { ...OK, life: 600 },
  },
  {
    id: '6-sessions-token-short',
    call: 'sessions.getToken(id, undefined, 29)',
    see: async ({ clerk, its }) => void (await clerk.sessions.getToken(its.session, undefined, 29)),
    expected: error(422, 'form_param_value_invalid'),
  },
  {
    id: '6-sessions-token-template',
    call: 'sessions.getToken(id, template)',
    see: async ({ clerk, its }) => {
      const { jwt } = await clerk.sessions.getToken(its.session, 'conformance');
      return { cat: String(header(jwt).cat), claims: Object.keys(payload(jwt)).sort().join(' ') };
    },
    expected: { wire: 'POST /v1/sessions/{session}/tokens/conformance', ...OK, cat: 'cl_B7d4PD222AAA', claims: 'azp exp iat iss jti nbf sub' },
  },
  {
    id: '6-sessions-token-template-unknown',
    call: 'sessions.getToken(id, unknown)',
    see: async ({ clerk, its }) => void (await clerk.sessions.getToken(its.session, 'unknown')),
    expected: NOT_FOUND,
  },
  {
    id: '6-sessions-revoke',
    call: 'sessions.revokeSession(id), then a token for it',
    see: async ({ clerk, before, user }) => {
      const session = await before.sessions.createSession({ userId: user.id });
      const { status: state } = await clerk.sessions.revokeSession(session.id);
      const token = await before.sessions.getToken(session.id).catch(({ status }) => status);
      return { state, token };
    },
    expected: { wire: 'POST /v1/sessions/{session}/revoke', ...OK, state: 'revoked', token: 404 },
  },
  {
    id: '6-sessions-refresh-cookie',
    call: 'POST /v1/sessions/{session}/refresh, format cookie',
    see: async ({ clerk, its }) => {
      const { cookies } = await refresh(clerk, its, 'cookie');
      return { cookies: cookies.map((cookie) => cookie.split('=')[0].replace(its.suffix, '{suffix}')).join(' ') };
    },
    expected: {
      wire: 'POST /v1/sessions/{session}/refresh?suffixed_cookies=true',
      ...OK,
      cookies: '__refresh_{suffix} __session __session_{suffix}',
    },
  },
  {
    id: '6-sessions-refresh-token',
    call: 'POST /v1/sessions/{session}/refresh, format token',
    see: async ({ clerk, its }) => ({ sid: payload((await refresh(clerk, its, 'token')).jwt).sid === its.session }),
    expected: { ...OK, sid: true },
  },
  {
    id: '6-sessions-refresh-wrong',
    call: 'POST /v1/sessions/{session}/refresh, a token of another session',
    see: async ({ clerk, its }) => void (await refresh(clerk, its, 'token', its.expired({ sid: 'sess_other' }))),
    expected: error(401, 'expired_token_invalid'),
  },
  {
    id: '6-verify-pem',
    call: 'verifyToken(token, { jwtKey })',
    see: async ({ its }) => ({ sub: (await verifyToken(its.token, { jwtKey: its.app.jwtKey })).sub === its.user }),
    expected: { wire: '', sub: true },
  },
  {
    id: '6-verify-jwks',
    call: 'verifyToken(token, { secretKey, apiUrl })',
    see: async ({ its, emulator }) => ({
      sub: (await verifyToken(its.token, { secretKey: its.app.secretKey, apiUrl: emulator.address })).sub === its.user,
    }),
    expected: { sub: true },
  },
  {
    id: '6-verify-no-key',
    call: 'verifyToken(token, {})',
    see: async ({ its }) => ({ reason: await verifyToken(its.token, {}).catch(({ reason }) => reason) }),
    expected: { reason: 'jwk-failed-to-resolve' },
  },
];

function refresh(clerk: Clerk, its: Visitor, format: 'cookie' | 'token', expired_token = its.expired()) {
  const asked = { format, suffixed_cookies: true, expired_token, refresh_token: its.refresh, request_origin: its.app.origin, request_headers: {} };
  return clerk.sessions.refreshSession(its.session, asked as never) as unknown as Promise<{ cookies: string[]; jwt: string }>;
}

const others: BackendRow[] = [
  {
    id: '6-clients-get',
    call: 'clients.getClient(id)',
    see: async ({ clerk, its }) => {
      const client = await clerk.clients.getClient(its.client.split('.')[0]);
      return {
        sessions: client.sessionIds.join() === its.session,
        inner: client.sessions.map(({ status }) => status).join(),
        last: client.lastActiveSessionId === its.session,
      };
    },
    expected: { wire: 'GET /v1/clients/{client}', ...OK, sessions: true, inner: 'active', last: true },
  },
  {
    id: '6-clients-get-unknown',
    call: 'clients.getClient(unknown)',
    see: async ({ clerk }) => void (await clerk.clients.getClient('client_unknown')),
    expected: NOT_FOUND,
  },
  {
    id: '6-clients-list',
    call: 'clients.getClientList()',
    see: async ({ clerk }) => ({ some: (await clerk.clients.getClientList()).data.length > 0 }),
    expected: { wire: 'GET /v1/clients?paginated=true', ...OK, some: true },
  },
  {
    id: '6-clients-verify',
    call: 'clients.verifyClient(__client)',
    see: async ({ clerk, its }) => ({ same: (await clerk.clients.verifyClient(its.client)).id === its.client.split('.')[0] }),
    expected: { wire: 'POST /v1/clients/verify', ...OK, same: true },
  },
  {
    id: '6-clients-verify-wrong',
    call: 'clients.verifyClient() with a wrong secret',
    see: async ({ clerk, its }) => void (await clerk.clients.verifyClient(`${its.client}x`)),
    expected: NOT_FOUND,
  },
  {
    id: '6-clients-handshake-unknown',
    call: 'GET /v1/clients/handshake_payload, unknown nonce',
    see: async ({ byHand }) => answered(await byHand('GET', '/v1/clients/handshake_payload?nonce=x')),
    expected: { status: '404', code: 'resource_not_found', content: 'application/json' },
  },
  {
    id: '6-sign-in-tokens-create',
    call: 'signInTokens.createSignInToken(), then a sign-in with it',
    see: async ({ clerk, user, its }) => {
      const made = await clerk.signInTokens.createSignInToken({ userId: user.id, expiresInSeconds: 60 });
      const ticket = { strategy: 'ticket', ticket: made.token };
      const signedIn = await new Frontend(its.app).post('/v1/client/sign_ins', ticket);
      const { response } = await signedIn.json();
      return { state: made.status, signIn: response.status };
    },
    expected: { wire: 'POST /v1/sign_in_tokens', ...OK, state: 'pending', signIn: 'complete' },
  },
  {
    id: '6-sign-in-tokens-revoke',
    call: 'signInTokens.revokeSignInToken(), then a sign-in with it',
    see: async ({ clerk, before, user, its }) => {
      const made = await before.signInTokens.createSignInToken({ userId: user.id, expiresInSeconds: 60 });
      const { status: state } = await clerk.signInTokens.revokeSignInToken(made.id);
      const refused = new Frontend(its.app).post('/v1/client/sign_ins', { strategy: 'ticket', ticket: made.token });
      return {
        state,
        signIn: await refused.then(
          () => 'complete',
          ({ message }) => /"code":"(\w+)"/.exec(message)?.[1] ?? message,
        ),
      };
    },
    expected: { wire: 'POST /v1/sign_in_tokens/{sign-in token}/revoke', ...OK, state: 'revoked', signIn: 'sign_in_token_revoked_code' },
  },
  {
    id: '6-testing-tokens',
    call: 'testingTokens.createTestingToken()',
    see: async ({ clerk }) => {
      const made = (await clerk.testingTokens.createTestingToken()) as unknown as { token: string; expires_at: number };
      return { token: made.token.length > 0, later: made.expires_at > Date.now() / 1000 };
    },
    expected: { wire: 'POST /v1/testing_tokens', ...OK, token: true, later: true },
    remark: 'The emulator has no bot protection, so the token is never needed. The library returns the response unchanged: expires_at, not expiresAt.',
  },
  {
    id: '6-jwt-templates',
    call: 'jwtTemplates.create(), get(), list(), delete()',
    see: async ({ clerk }) => {
      const made = await clerk.jwtTemplates.create({ name: 'another', claims: { a: 1 }, lifetime: 90, allowedClockSkew: 7 });
      const got = await clerk.jwtTemplates.get(made.id);
      const { data } = await clerk.jwtTemplates.list();
      const { deleted } = await clerk.jwtTemplates.delete(made.id);
      return { name: got.name, lifetime: got.lifetime, skew: got.allowedClockSkew, listed: data.map(({ name }) => name).join(), deleted };
    },
    expected: {
      wire: 'DELETE /v1/jwt_templates/{template}, GET /v1/jwt_templates/{template}, GET /v1/jwt_templates?paginated=true, POST /v1/jwt_templates',
      status: '200, 200, 200, 200',
      content: 'application/json',
      name: 'another',
      lifetime: 90,
      skew: 7,
      listed: 'another,conformance',
      deleted: true,
    },
  },
  {
    id: '6-jwt-templates-taken',
    call: 'jwtTemplates.create() with a taken name',
    see: async ({ clerk }) => void (await clerk.jwtTemplates.create({ name: 'conformance', claims: {} })),
    expected: { ...error(422, 'form_param_duplicate'), parameter: 'name' },
  },
  ...(
    [
      [
        'jwt-templates-update',
        'jwtTemplates.update()',
        ({ clerk }) => clerk.jwtTemplates.update({ templateId: 'jtmp_1', name: 'x', claims: {} }),
        'Differs: not in the emulator. A template can be deleted and created again.',
      ],
      [
        'actor-tokens',
        'actorTokens.create()',
        ({ clerk, user }) => clerk.actorTokens.create({ userId: user.id, actor: { sub: user.id }, expiresInSeconds: 60 } as never),
        'Differs: the emulator has no impersonation.',
      ],
      [
        'organizations-create',
        'organizations.createOrganization()',
        ({ clerk, user }) => clerk.organizations.createOrganization({ name: 'Acme', createdBy: user.id }),
        NO_ORGANIZATIONS,
      ],
      [
        'organizations-get',
        'organizations.getOrganization()',
        ({ clerk }) => clerk.organizations.getOrganization({ organizationId: 'org_1' }),
        NO_ORGANIZATIONS,
      ],
      [
        'organizations-update',
        'organizations.updateOrganization()',
        ({ clerk }) => clerk.organizations.updateOrganization('org_1', { name: 'Acme' }),
        NO_ORGANIZATIONS,
      ],
      [
        'organizations-metadata',
        'organizations.updateOrganizationMetadata()',
        ({ clerk }) => clerk.organizations.updateOrganizationMetadata('org_1', { publicMetadata: {} }),
        NO_ORGANIZATIONS,
      ],
      [
        'organizations-memberships',
        'organizations.getOrganizationMembershipList()',
        ({ clerk }) => clerk.organizations.getOrganizationMembershipList({ organizationId: 'org_1' }),
        NO_ORGANIZATIONS,
      ],
      [
        'organizations-join',
        'organizations.createOrganizationMembership()',
        ({ clerk, user }) => clerk.organizations.createOrganizationMembership({ organizationId: 'org_1', userId: user.id, role: 'org:admin' }),
        NO_ORGANIZATIONS,
      ],
    ] as [string, string, (context: Context) => Promise<unknown>, string][]
  ).map(([id, call, make, remark]): BackendRow => ({
    id: `6-${id}`,
    call,
    see: async (context) => void (await make(context)),
    expected: NOT_FOUND,
    remark,
  })),
];

const errors: BackendRow[] = [
  {
    id: '6-error-key',
    call: 'users.getUserList() with another secret key',
    see: async ({ emulator }) => void (await createClerkClient({ secretKey: 'sk_live_wrong', apiUrl: emulator.address }).users.getCount()),
    expected: { throws: 'ClerkAPIResponseError', error: 401, code: 'clerk_key_invalid', trace: true },
  },
  {
    id: '6-error-no-key',
    call: 'GET /v1/users without Authorization',
    see: async ({ byHand }) => answered(await byHand('GET', '/v1/users', { headers: { authorization: '' } })),
    expected: { status: '401', code: 'authorization_header_format_invalid', content: 'application/json' },
  },
  {
    id: '6-error-path',
    call: 'GET /v1/nothing',
    see: async ({ byHand }) => answered(await byHand('GET', '/v1/nothing')),
    expected: { status: '404', code: 'resource_not_found', content: 'application/json' },
  },
  {
    id: '6-error-body',
    call: 'POST /v1/sessions with a body that is not JSON',
    see: async ({ byHand }) => answered(await byHand('POST', '/v1/sessions', { body: 'nonsense' })),
    expected: { status: '400', code: 'request_body_invalid', content: 'application/json' },
  },
  {
    id: '6-error-missing',
    call: 'sessions.createSession() without a user',
    see: async ({ clerk }) => void (await clerk.sessions.createSession({} as never)),
    expected: { ...error(422, 'form_param_missing'), parameter: 'user_id' },
  },
  {
    id: '6-error-rate-limit',
    call: 'users.updateUserMetadata(), the emulator set to answer 429 with Retry-After: 7',
    see: async ({ clerk, user, emulator }) => {
      await emulator.setFaults({ faults: [{ path_ends_with: '/metadata', count: 1, status: 429, retry_after_s: 7 }] });
      await clerk.users.updateUserMetadata(user.id, { publicMetadata: {} });
    },
    expected: { throws: 'ClerkAPIResponseError', error: 429, retryAfter: 7, content: 'application/json' },
  },
  {
    id: '6-error-server',
    call: 'users.getUser(), the emulator set to answer 500',
    see: async ({ clerk, user, emulator }) => {
      await emulator.setFaults({ faults: [{ path_starts_with: '/v1/users/', count: 1, status: 500 }] });
      await clerk.users.getUser(user.id);
    },
    expected: { throws: 'ClerkAPIResponseError', error: 500, content: 'application/json' },
  },
  {
    id: '6-error-cut',
    call: 'users.getUser(), the emulator set to cut the connection',
    see: async ({ before, user, emulator }) => {
      await emulator.setFaults({ faults: [{ path_starts_with: '/v1/users/', count: 1, cut: true }] });
      await before.users.getUser(user.id);
    },
    expected: { throws: 'ClerkAPIResponseError', error: null, code: 'unexpected_error' },
  },
  {
    id: '6-limit-metadata',
    call: 'users.updateUserMetadata(), 11 times at once',
    see: async ({ clerk, user }) => limited(11, () => clerk.users.updateUserMetadata(user.id, { publicMetadata: { a: 1 } })),
    expected: { served: 10, limited: 1, code: 'too_many_requests', retryAfter: 'within 10 s' },
    remark: 'How Clerk counts is unknown. The emulator serves at most the limit in any 10 s.',
  },
  {
    id: '6-limit-off',
    call: 'users.updateUserMetadata(), 30 times at once, the emulator set to no rate limits',
    see: async ({ clerk, user, emulator }) => {
      await emulator.setFaults({ rate_limits: 'off' });
      return limited(30, () => clerk.users.updateUserMetadata(user.id, { publicMetadata: { a: 1 } }));
    },
    expected: { served: 30, limited: 0 },
  },
  {
    id: '6-content-type',
    call: 'users.getUser(), an answer with content type application/json; charset=utf-8',
    see: async ({ withContentType, user }) => ({
      kind: typeof (await (await withContentType('application/json; charset=utf-8')).users.getUser(user.id)),
    }),
    expected: { kind: 'string' },
    remark: 'A property of the library, shown by the relay: this is why the emulator’s content type must be exact.',
  },
];

const suffixes: BackendRow[] = [
  ['pk_test_bW9jay1jbGVyay0wMS5jbGVyay5hY2NvdW50cy5kZXYk', '4UCa6Zq-'],
  ['pk_live_Y2xlcmsuZXhhbXBsZS50ZXN0JA', 'mygDvuFt'],
].map(([key, suffix]) => ({
  id: `2.1-suffix-${key.slice(3, 7)}`,
  call: `getCookieSuffix(${key})`,
  see: async () => ({ suffix: await getCookieSuffix(key) }),
  expected: { suffix },
}));

suffixes.push({
  id: '2.1-suffix-emulator',
  call: 'the suffix of the emulator’s cookies, by getCookieSuffix() of its publishable key',
  see: async ({ its }) => {
    const signedIn = await new Frontend(its.app, its.client).get('/v1/client');
    const suffix = await getCookieSuffix(its.app.publishableKey);
    return {
      names: signedIn.headers
        .getSetCookie()
        .map((cookie) => cookie.split('=')[0].replace(suffix, '{suffix}'))
        .join(' '),
    };
  },
  expected: { names: '__client_uat __client_uat_{suffix}' },
});

/** How many of `count` concurrent calls were served, and how the others failed. */
async function limited(count: number, call: () => Promise<unknown>): Promise<Values> {
  const results = await Promise.allSettled(Array.from({ length: count }, call));
  const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const codes = new Set(refused.map(({ errors }) => errors?.[0]?.code));
  return {
    served: count - refused.length,
    limited: refused.filter(({ status }) => status === 429).length,
    code: [...codes].join(),
    retryAfter: refused.every(({ retryAfter }) => retryAfter >= 1 && retryAfter <= 10) ? 'within 10 s' : 'not within 10 s',
  };
}

/** The error of a raw call's response. */
async function answered(response: Response): Promise<Values> {
  const body = await response.json();
  return { code: body.errors?.[0].code ?? null, metadata: json(body.public_metadata) };
}

export const backendRows: BackendRow[] = [...suffixes, ...users, ...sessions, ...others, ...errors];
