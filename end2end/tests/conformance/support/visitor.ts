// A user signed in at the emulator from one app, and everything their requests may carry: tokens from the emulator,
// tokens that are invalid in one point, cookies by name, results of handshakes.
//
// It needs only an app's configuration and the signing key, so it works with any app that uses the emulator.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { signWith } from '../../support/emulator.mjs';

export interface App {
  /** The app's origin, as browsers see it. */
  origin: string;
  publishableKey: string;
  secretKey: string;
  /** Base address of both APIs of the emulator. */
  address: string;
  /** The public key as in `CLERK_JWT_KEY`, for rows that verify without the network. */
  jwtKey?: string;
  sign: (header: Record<string, unknown>, claims: unknown) => string;
}

/** A request to the app. */
export interface Asked {
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  cookies: Record<string, string>;
}

type Claims = Record<string, unknown>;
type Header = Record<string, unknown>;
/** Cookies by role; `plain`, `suffixed` and `both` name them. */
export interface Cookies {
  session?: string;
  uat?: string | number;
  refresh?: string;
  /** `__clerk_db_jwt` */
  browser?: string;
}

/** An unknown key, used with the emulator's key id or another one. */
const unknownKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const TEMPLATE = 'conformance';

export class Visitor {
  readonly frontendApi: string;
  readonly issuer: string;
  readonly suffix: string;
  /** Development instances are not proxied. */
  readonly proxyUrl: string | undefined;

  private constructor(
    readonly app: App,
    readonly user: string,
    readonly session: string,
    /** What identifies the browser to the Frontend API: the `__client` cookie, or the token of a development browser. */
    readonly client: string,
    /** The `__refresh` cookie. */
    readonly refresh: string,
    /** `__client_uat` as Clerk has set it. */
    readonly uat: number,
    /** A new session token, and a token of a JWT template. */
    readonly token: string,
    readonly templateToken: string,
  ) {
    this.frontendApi = Buffer.from(app.publishableKey.split('_')[2], 'base64').toString().replace(/\$$/, '');
    this.issuer = `https://${this.frontendApi}`;
    this.suffix = cookieSuffix(app.publishableKey);
    this.proxyUrl = isDevelopment(app) ? undefined : `${app.origin}/__clerk`;
  }

  static async signIn(app: App, user: { email: string; password: string }): Promise<Visitor> {
    const browser = isDevelopment(app) ? (await (await new Frontend(app).post('/v1/dev_browser', {})).json()).id : '';
    const form = { strategy: 'password', identifier: user.email, password: user.password };
    const signedIn = await new Frontend(app, browser).post('/v1/client/sign_ins', form);
    const { client } = await signedIn.json();
    const [session] = client.sessions;
    const known = browser || cookieValue(signedIn.headers, '__client');
    const { handshake: directives } = payload(await handshake(app, known, 'token'));
    const refresh = value(directives as string[], `__refresh_${cookieSuffix(app.publishableKey)}`);
    await backend(app, '/jwt_templates', { name: TEMPLATE, claims: {}, lifetime: 60 }).catch(ignoreDuplicate);
    const uat = Math.floor(client.updated_at / 1000);
    return new Visitor(app, session.user.id, session.id, known, refresh, uat, '', '').renewed();
  }

  /** The same user with new tokens. */
  async renewed(): Promise<Visitor> {
    const minted = await new Frontend(this.app, this.client).post(`/v1/client/sessions/${this.session}/tokens`, {});
    const { jwt } = await minted.json();
    const template = await backend(this.app, `/sessions/${this.session}/tokens/${TEMPLATE}`, {});
    return new Visitor(this.app, this.user, this.session, this.client, this.refresh, this.uat, jwt, template.jwt);
  }

  /** A `__client_uat` that is older than every token here. */
  get hourAgo(): number {
    return this.now - 3600;
  }

  get now(): number {
    return Math.floor(Date.now() / 1000);
  }

  /**
   * A session token in Clerk's form, signed with the emulator's key. A field set to undefined is left out. Each token has
   * its own session, so that a server's response shows which one it accepted.
   */
  signed(claims: Claims = {}, header: Header = {}): string {
    return this.app.sign(header, this.claims(claims));
  }

  /** As `signed`, with a key that is not the emulator's. */
  forged(claims: Claims = {}, header: Header = {}): string {
    return signWith(unknownKey, { alg: 'RS256', typ: 'JWT', kid: kid(this.token), cat: 'cl_B7d4PD111AAA' })(header, this.claims(claims));
  }

  /** A token of the user's own session that expired six seconds ago: one more than the clock tolerance. */
  expired(claims: Claims = {}): string {
    return this.signed({ sid: this.session, iat: this.now - 66, nbf: this.now - 76, exp: this.now - 6, ...claims });
  }

  private claims(changed: Claims): Claims {
    const { now } = this;
    return {
      azp: this.app.origin,
      exp: now + 60,
      fva: [0, -1],
      iat: now,
      iss: this.issuer,
      jti: unique(),
      nbf: now - 10,
      sid: `sess_${unique()}`,
      sts: 'active',
      sub: this.user,
      v: 2,
      ...changed,
    };
  }

  plain(cookies: Cookies): Record<string, string> {
    return named(cookies, '');
  }

  suffixed(cookies: Cookies): Record<string, string> {
    return named(cookies, `_${this.suffix}`);
  }

  both(cookies: Cookies): Record<string, string> {
    return { ...this.plain(cookies), ...this.suffixed(cookies) };
  }

  /** The cookies of a signed-in user, in both forms: this token, `__client_uat`, and the development browser if there is one. */
  cookies(session = this.token): Record<string, string> {
    return this.both({ session, uat: this.hourAgo, browser: isDevelopment(this.app) ? this.client : undefined });
  }

  /** As `cookies`, with the cookie that renews an expired token. */
  renewable(session = this.expired(), refresh = this.refresh): Record<string, string> {
    return { ...this.cookies(session), ...this.suffixed({ refresh }) };
  }

  /** The result of a new handshake, as a nonce or as a signed token. */
  handshake(format: 'nonce' | 'token', who: 'the user' | 'no user' = 'the user'): Promise<string> {
    return handshake(this.app, who === 'no user' ? '' : this.client, format);
  }

  /** A handshake token with these directives. */
  handshakeToken(directives: string[], header: Header = {}): string {
    return this.app.sign(header, { handshake: directives });
  }
}

/** A page load. */
export function document(cookies: Record<string, string> = {}, more: Partial<Asked> = {}): Asked {
  const headers = { accept: 'text/html,application/xhtml+xml', 'sec-fetch-dest': 'document', ...more.headers };
  return { method: 'GET', path: '/dashboard', ...more, headers, cookies };
}

/** A request by a script. */
export function call(cookies: Record<string, string> = {}, more: Partial<Asked> = {}): Asked {
  const headers = { accept: '*/*', 'sec-fetch-dest': 'empty', ...more.headers };
  return { method: 'GET', path: '/api/me', ...more, headers, cookies };
}

/** A request by a script with an Authorization header and no cookies. */
export function withHeader(authorization: string, cookies: Record<string, string> = {}): Asked {
  return call(cookies, { headers: { authorization } });
}

/** The value of a Cookie header. */
export function cookieLine(cookies: Record<string, string>): string {
  return Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
}

/** The first eight characters of the SHA-1 in base64url. */
export function cookieSuffix(publishableKey: string): string {
  return createHash('sha1').update(publishableKey).digest('base64url').slice(0, 8);
}

/** Whether the keys belong to a development instance, which browsers call directly, with a token in the query. */
export function isDevelopment(app: Pick<App, 'publishableKey'>): boolean {
  return app.publishableKey.startsWith('pk_test_');
}

/** The Frontend API, called like an app's proxy does or, for a development instance, like a browser. */
export class Frontend {
  constructor(
    private readonly app: App,
    /** What identifies the browser. */
    private readonly client = '',
  ) {}

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(path, { headers });
  }

  async post(path: string, form: Record<string, string>): Promise<Response> {
    const response = await this.fetch(path, { method: 'POST', headers: { origin: this.app.origin }, body: new URLSearchParams(form) });
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
    return response;
  }

  private fetch(path: string, init: RequestInit): Promise<Response> {
    const { origin, secretKey, address } = this.app;
    const url = new URL(path, address);
    const headers = new Headers(init.headers);
    if (isDevelopment(this.app)) {
      if (this.client) url.searchParams.set('__clerk_db_jwt', this.client);
    } else {
      if (this.client) headers.set('cookie', `__client=${this.client}`);
      if (!headers.has('clerk-proxy-url')) headers.set('clerk-proxy-url', `${origin}/__clerk`);
      if (!headers.has('clerk-secret-key')) headers.set('clerk-secret-key', secretKey);
    }
    return fetch(url, { ...init, headers, redirect: 'manual' });
  }
}

/** A raw call to the Backend API. */
export async function backend(app: Pick<App, 'address' | 'secretKey'>, path: string, body?: unknown) {
  const response = await fetch(new URL(`/v1${path}`, app.address), {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${app.secretKey}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** A raw handshake: the result that the browser brings back to the app, in a cookie or in the query. */
async function handshake(app: App, client: string, format: 'nonce' | 'token'): Promise<string> {
  const query = new URLSearchParams({ redirect_url: `${app.origin}/dashboard`, format });
  const answer = await new Frontend(app, client).get(`/v1/client/handshake?${query}`);
  if (answer.status !== 307) throw new Error(`the handshake answered ${answer.status}: ${await answer.text()}`);
  const name = format === 'nonce' ? '__clerk_handshake_nonce' : '__clerk_handshake';
  const inQuery = new URL(answer.headers.get('location') ?? '', app.origin).searchParams.get(name);
  return inQuery ?? cookieValue(answer.headers, name);
}

/** Header and claims of a token, unverified. */
export function header(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString());
}

export function payload(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
}

function unique(): string {
  return Math.random().toString(16).slice(2);
}

function kid(token: string): unknown {
  return header(token).kid;
}

/** The value of a cookie that a response sets. */
export function cookieValue(headers: Headers, name: string): string {
  return value(headers.getSetCookie(), name);
}

function value(directives: string[], name: string): string {
  const found = directives.find((directive) => directive.startsWith(`${name}=`));
  if (!found) throw new Error(`no ${name} among ${directives.map((directive) => directive.split('=')[0]).join(', ')}`);
  return found.slice(name.length + 1).split(';')[0];
}

function named(cookies: Cookies, suffix: string): Record<string, string> {
  const names = { session: '__session', uat: '__client_uat', refresh: '__refresh', browser: '__clerk_db_jwt' };
  const given = Object.entries(cookies).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [`${names[name as keyof Cookies]}${suffix}`, String(value)]));
}

function ignoreDuplicate(error: Error): void {
  if (!error.message.includes('form_param_duplicate')) throw error;
}
