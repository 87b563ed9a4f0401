// Sends a row's request to our own server over plain HTTP. The verdict is in the same terms as judge.ts's for the
// official library.
import { request as begin } from 'node:http';
import type { RequestRow } from '../request-rows';
import { withNames } from './judge';
import type { Values } from './rows';
import { type Asked, cookieLine, payload, type Visitor } from './visitor';

const HANDSHAKE = '/v1/client/handshake';

interface Answer {
  status: number;
  headers: Headers;
  body: string;
}

export async function ourAnswer(row: RequestRow, its: Visitor): Promise<Values> {
  const asked = await row.request(its);
  const { origin } = its.app;
  const first = await send(asked, origin);
  // A development instance's result is first removed from the query by a redirect: the next request is what counts.
  const clean = cleanAddress(first, origin);
  const last = clean === undefined ? first : await send({ ...asked, path: clean, cookies: afterwards(asked.cookies, first) }, origin);
  return describe(asked, its, first, last);
}

/** Follows no redirect, and adds only the headers that a browser sends with a form. */
function send({ method, path, headers, cookies }: Asked, origin: string): Promise<Answer> {
  const cookie = cookieLine(cookies);
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0', origin: new URL(headers.referer ?? origin).origin };
  const all = { ...(method === 'POST' ? form : {}), ...headers, ...(cookie ? { cookie } : {}) };
  // Our one page that checks a form's session.
  const to = method === 'POST' ? '/onboarding' : path;
  return new Promise((resolve, reject) => {
    const request = begin(new URL(to, origin), { method, headers: all, family: 4, agent: false }, (response) => {
      const body: Buffer[] = [];
      response.on('data', (part) => body.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const received = new Headers();
        for (let n = 0; n < response.rawHeaders.length; n += 2) received.append(response.rawHeaders[n], response.rawHeaders[n + 1]);
        resolve({ status: response.statusCode ?? 0, headers: received, body: Buffer.concat(body).toString() });
      });
    });
    request.on('error', reject);
    request.end();
  });
}

function describe(asked: Asked, its: Visitor, first: Answer, last: Answer): Values {
  const location = first.status === 307 ? first.headers.get('location') : null;
  const target = location === null ? undefined : new URL(location);
  const sets = first.headers.getSetCookie();
  const status = statusOf(last);
  const token = status === 'signed-in' ? taken(asked, its, first, last) : undefined;
  const named = (text: string) => withNames(text, asked, its);
  return {
    status,
    reason: last.headers.get('x-clerk-auth-reason'),
    answer: answerOf(last),
    who: who(token?.text, its, last),
    token: token?.carrier ?? null,
    azp: token?.text ? named(String(payload(token.text).azp)) : null,
    location: target ? named(target.origin + target.pathname) : null,
    query: target ? named([...target.searchParams].map(([name, value]) => `${name}=${value}`).join(' & ')) : null,
    returns: named(target?.searchParams.get('redirect_url') ?? ''),
    suffixed: target?.searchParams.get('suffixed_cookies') ?? null,
    sets: named(sets.join(', ')),
    setNames: named([...new Set(sets.map((cookie) => cookie.split('=')[0]))].sort().join(' ')),
    'cache-control': first.headers.get('cache-control'),
    'x-clerk-auth-status': last.headers.get('x-clerk-auth-status'),
    'x-clerk-auth-reason': last.headers.get('x-clerk-auth-reason'),
  };
}

/** The HTTP status, with the path it leads to or the code of a JSON response. */
function answerOf({ status, headers, body }: Answer): string {
  const location = headers.get('location');
  if (location !== null) return `${status} ${new URL(location, 'http://here').pathname}`;
  if (headers.get('content-type') !== 'application/json') return String(status);
  return [status, JSON.parse(body).code].filter(Boolean).join(' ');
}

/** The status header's value, if the response itself agrees with it. */
function statusOf(answer: Answer): string {
  const claimed = answer.headers.get('x-clerk-auth-status') ?? 'signed-in';
  const agreeing: Record<string, RegExp> = {
    // The user has no organization, so every page leads to the form that creates one.
    'signed-in': /^(200|303 \/onboarding)$/,
    // A form keeps its input.
    'signed-out': /^(401|403 session_pending|503|303 (\/sign-in|\/token-pending|\/onboarding)$)/,
    handshake: new RegExp(`^307 (/__clerk)?${HANDSHAKE}$`),
  };
  const found = answerOf(answer);
  if (found === '403 cross_site') return 'refused';
  return agreeing[claimed]?.test(found) ? claimed : `${claimed}, but the response is ${found}`;
}

/** The token that the server accepted. `/api/me` names its session; a page does not, but then only one token is unexpired. */
function taken(asked: Asked, its: Visitor, first: Answer, last: Answer): { carrier: string; text: string } | undefined {
  const named = (cookies: Record<string, string>) =>
    Object.entries({
      header: asked.headers.authorization?.split(' ').pop(),
      'plain cookie': cookies.__session,
      'suffixed cookie': cookies[`__session_${its.suffix}`],
    }).filter((place): place is [string, string] => Boolean(place[1]));
  const api = last.status === 200 && asked.path.startsWith('/api/me');
  const isTaken = (token: string) => (api ? claim(token, 'sid') === JSON.parse(last.body).session_id : Number(claim(token, 'exp')) > its.now - 5);
  const possible = new Set(named(afterwards(asked.cookies, first)).map(([, token]) => token).filter(isTaken));
  const [text] = possible;
  if (possible.size !== 1) return undefined;
  const carriers = named(asked.cookies).filter(([, token]) => token === text).map(([name]) => name);
  return { carrier: carriers.join(' and ') || 'new', text };
}

function who(token: string | undefined, its: Visitor, { status, body, headers }: Answer): string {
  const api = status === 200 && headers.get('content-type') === 'application/json';
  const id = api ? JSON.parse(body).user_id : token && payload(token).sub;
  if (!id) return 'no user';
  return id === its.user ? 'the user' : 'another user';
}

/** A claim of a text that may not be a token. */
function claim(token: string, name: string): unknown {
  try {
    return payload(token)[name];
  } catch {
    return undefined;
  }
}

/** The target of a redirect to the app itself. */
function cleanAddress({ status, headers }: Answer, origin: string): string | undefined {
  const location = headers.get('location');
  if (status !== 307 || location === null) return undefined;
  const target = new URL(location);
  return target.origin === origin && !target.pathname.endsWith(HANDSHAKE) ? target.pathname + target.search : undefined;
}

/** The browser's cookies after a response. */
function afterwards(cookies: Record<string, string>, answer: Answer): Record<string, string> {
  const all = new Map([...Object.entries(cookies), ...cookiesOf(answer)]);
  return Object.fromEntries([...all].filter(([, value]) => value !== ''));
}

function cookiesOf({ headers }: Answer): Map<string, string> {
  const pairs = headers.getSetCookie().map((cookie) => /^([^=]+)=([^;]*)/.exec(cookie) ?? []);
  return new Map(pairs.map(([, name, value]) => [name, value]));
}
