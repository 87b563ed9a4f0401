// The official @clerk/backend authenticates a request to an app: its verdict, as plain values.
import { createClerkClient } from '@clerk/backend';
import { createAuthenticateRequest } from '@clerk/backend/internal';
import type { RequestRow } from '../request-rows';
import { unreachableOrigin, Relay } from './relay';
import type { Values } from './rows';
import { type Asked, cookieLine, payload, type Visitor } from './visitor';

export async function judge(row: RequestRow, its: Visitor): Promise<Values> {
  const asked = await row.request(its);
  const relay = row.backend ? await backend(its, row.backend(its)) : undefined;
  try {
    const apiUrl = row.backend === null ? await unreachableOrigin() : (relay?.origin ?? its.app.address);
    return await judged(asked, its, { apiUrl, ...row.options?.(its) });
  } finally {
    await relay?.stop();
  }
}

function backend({ app }: Visitor, stubs: ReturnType<NonNullable<NonNullable<RequestRow['backend']>>>): Promise<Relay> {
  const stub = ({ path }: { path: string }) => Object.entries(stubs).find(([end]) => path.split('?')[0].endsWith(end))?.[1];
  return Relay.start({ target: app.address, stub });
}

async function judged(asked: Asked, its: Visitor, options: Record<string, unknown>): Promise<Values> {
  const { app, proxyUrl } = its;
  const usual = { secretKey: app.secretKey, publishableKey: app.publishableKey, proxyUrl, authorizedParties: [app.origin] };
  const all = { ...usual, apiClient: createClerkClient({ ...usual, ...options }), ...options };
  // Like `createClerkClient`, but with a Backend API client that a row may remove.
  const { authenticateRequest } = createAuthenticateRequest({ options: all, apiClient: all.apiClient });
  const listening = listen();
  try {
    const state = await authenticateRequest(request(asked, app.origin), all);
    return { ...describe(state, asked, its), says: listening.lines.join(' '), firstLine: listening.lines.join(' ').split('\n')[0] };
  } catch (error) {
    return { throws: (error as Error).message };
  } finally {
    listening.end();
  }
}

function request({ method, path, headers, cookies }: Asked, origin: string): Request {
  const cookie = cookieLine(cookies);
  return new Request(new URL(path, origin), { method, headers: cookie ? { ...headers, cookie } : headers });
}

type State = Awaited<ReturnType<ReturnType<typeof createAuthenticateRequest>['authenticateRequest']>>;

function describe(state: State, asked: Asked, its: Visitor): Values {
  const { headers } = state;
  const location = headers.get('location');
  const target = location === null ? undefined : new URL(location);
  const sets = headers.getSetCookie();
  const named = (text: string) => withNames(text, asked, its);
  return {
    status: state.status,
    reason: state.reason,
    who: who(state, its),
    token: state.token ? carrier(state.token, asked, its) : null,
    azp: state.token ? named(String(payload(state.token).azp)) : null,
    location: target ? named(target.origin + target.pathname) : null,
    query: target ? named([...target.searchParams].map(([name, value]) => `${name}=${value}`).join(' & ')) : null,
    returns: named(target?.searchParams.get('redirect_url') ?? ''),
    suffixed: target?.searchParams.get('suffixed_cookies') ?? null,
    organization: target?.searchParams.get('organization_id') ?? null,
    sets: named(sets.join(', ')),
    setNames: named([...new Set(sets.map((cookie) => cookie.split('=')[0]))].sort().join(' ')),
    'cache-control': headers.get('cache-control'),
    'x-clerk-auth-status': headers.get('x-clerk-auth-status'),
    'x-clerk-auth-reason': headers.get('x-clerk-auth-reason'),
  };
}

function who(state: State, its: Visitor): string {
  const id = state.toAuth()?.userId;
  if (!id) return 'no user';
  return id === its.user ? 'the user' : 'another user';
}

/** Where the accepted token came from. */
function carrier(token: string, { headers, cookies }: Asked, its: Visitor): string {
  const places = {
    header: headers.authorization?.split(' ').pop(),
    'plain cookie': cookies.__session,
    'suffixed cookie': cookies[`__session_${its.suffix}`],
  };
  const found = Object.entries(places).filter(([, value]) => value === token);
  return found.map(([name]) => name).join(' and ') || 'new';
}

/** Replaces what differs from run to run by its name. */
export function withNames(text: string, { cookies }: Asked, its: Visitor): string {
  const names = [
    [its.proxyUrl, '{proxy}'],
    [its.issuer, '{issuer}'],
    [its.app.origin, '{origin}'],
    [cookies.__session ?? cookies[`__session_${its.suffix}`], '{cookie}'],
    [its.client, '{client}'],
    [`_${its.suffix}`, '_{suffix}'],
  ];
  return names.reduce((result, [value, name]) => (value ? result.replaceAll(value, name as string) : result), text);
}

/** Captures the console, where the library logs its explanations. */
function listen() {
  const usual = { log: console.log, warn: console.warn, error: console.error };
  const lines: string[] = [];
  const keep = (...words: unknown[]) => void lines.push(words.map(String).join(' '));
  Object.assign(console, { log: keep, warn: keep, error: keep });
  return { lines, end: () => void Object.assign(console, usual) };
}
