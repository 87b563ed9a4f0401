// People without their forms: made and signed in over HTTP, in milliseconds. Tests that are about the
// forms use people.ts.
import type { APIRequestContext, APIResponse, BrowserContext } from '@playwright/test';
import type { App } from './app.mjs';
import { newOrganization, newPerson, type Person } from './people';

export interface Organization {
  id: string;
  name: string;
  slug: string;
}

/** The emulator's fault settings (docs/emulator.md). */
export interface FaultSettings {
  /** How long a change of metadata stays invisible to new tokens; null for ever. */
  metadata_delay_ms?: number | null;
  /** "old": answers repeat the session token that was handed out last before this setting, until it expires. */
  last_active_token?: 'fresh' | 'old';
  /** Tokens are copied from the last one, unless the browser asks for one from the origin. clerk-js learns of it at load. */
  session_minter?: boolean;
  /** The answer to a reload carries no client. */
  omit_client?: boolean;
  /** Left out of session tokens: the mark of freshness, whose page asked, and what the claims template adds. */
  omit_oiat?: boolean;
  omit_azp?: boolean;
  omit_custom_claims?: boolean;
  token_lifetime_s?: number | null;
  /** How far Clerk's clock is ahead; negative: behind. */
  clock_offset_ms?: number;
  /** Which of Clerk's rate limits are kept: those for servers unless said otherwise. */
  rate_limits?: 'backend' | 'all' | 'off';
  webhooks?: {
    /** How many of the next events are never sent, and how many are received twice. */
    drop?: number;
    duplicate?: number;
    /** How long each event waits first. */
    delay_ms?: number;
    /** Events change places in pairs. */
    reorder?: boolean;
    /** The waits before each try; null for those of Svix. */
    retry_schedule_ms?: number[] | null;
    pause?: boolean;
  };
  faults?: {
    method?: string;
    path_starts_with?: string;
    path_ends_with?: string;
    count: number;
    delay_ms?: number;
    status?: number;
    retry_after_s?: number;
    cut?: boolean;
  }[];
}

/** A webhook that the emulator has sent, or is to send. */
export interface SentWebhook {
  id: string;
  state: 'waiting' | 'delivered' | 'failed' | 'dropped' | 'lost';
  /** With the status of each answer, or why there was none. */
  tries: { at: number; status: number | null; error: string | null }[];
  event: { type: string; data: { id: string } };
}

/** A session of the Clerk emulator, as far as tests look. */
interface Session {
  id: string;
  last_active_token: { jwt: string };
}

export class Clerk {
  constructor(private readonly app: App) {}

  /** A person who exists at Clerk, and gives the id. */
  async addPerson(person: Person): Promise<string> {
    const { id } = await this.backend('POST', '/users', { email_address: [person.email], password: person.password, first_name: person.name });
    return id;
  }

  /** `PATCH /v1/users/{id}/metadata`: merges, null removes. */
  async changeMetadata(userId: string, publicMetadata: Record<string, unknown>): Promise<void> {
    await this.backend('PATCH', `/users/${userId}/metadata`, { public_metadata: publicMetadata });
  }

  /** Clerk loses the person's organization, and tells nobody: our server would put it right at once. */
  async forgetOrganization({ userId }: SignedIn): Promise<void> {
    await this.misbehave({ webhooks: { drop: 1_000 } });
    await this.changeMetadata(userId, { activeOrgId: null });
  }

  /** `PATCH /v1/users/{id}`. */
  async changeUser(userId: string, change: Record<string, unknown>): Promise<void> {
    await this.backend('PATCH', `/users/${userId}`, change);
  }

  /** `DELETE /v1/users/{id}`. */
  async deleteUser(userId: string): Promise<void> {
    await this.backend('DELETE', `/users/${userId}`);
  }

  /** The public metadata as Clerk has it. */
  async publicMetadata(userId: string): Promise<Record<string, unknown>> {
    return (await this.backend('GET', `/users/${userId}`)).public_metadata;
  }

  /** Sets faults; without an argument clears them all. */
  async misbehave(settings?: FaultSettings): Promise<void> {
    await this.control(settings ? { method: 'PUT', body: JSON.stringify(settings) } : { method: 'DELETE' });
  }

  /** The fault settings in force. */
  async faultSettings(): Promise<Required<FaultSettings>> {
    return this.control({ method: 'GET' });
  }

  /** How many requests are still to meet each fault: 0 once it has happened as often as was set. */
  async faultsLeft(): Promise<number[]> {
    const { faults } = await this.control({ method: 'GET' });
    return faults.map(({ count }: { count: number }) => count);
  }

  /** What became of the last webhooks, newest first. */
  async webhooks(): Promise<SentWebhook[]> {
    const url = new URL(this.app.dev.inbox_url);
    url.pathname = '/webhooks.json';
    return (await fetch(url)).json();
  }

  private async control(init: RequestInit) {
    const url = new URL(this.app.dev.inbox_url);
    url.pathname = '/control';
    const response = await fetch(url, init);
    if (!response.ok) throw new Error(`the emulator answered ${response.status}: ${await response.text()}`);
    return response.json();
  }

  /** Ends a session at Clerk, without telling the browser. */
  async endSession({ sessionId }: SignedIn): Promise<void> {
    await this.backend('POST', `/sessions/${sessionId}/revoke`, {});
  }

  /** Signs a new person in. Their browser then has all cookies that Clerk's form would have left. */
  async signedIn(context: BrowserContext): Promise<SignedIn> {
    const person = newPerson();
    const userId = await this.addPerson(person);
    const { client } = await this.frontend(context.request, '/client/sign_ins', {
      strategy: 'password',
      identifier: person.email,
      password: person.password,
    });
    const session: Session = client.sessions[0];
    const signedIn = new SignedIn(this, context, person, userId, session.id);
    await signedIn.keep(session.last_active_token.jwt);
    return signedIn;
  }

  /** As `signedIn`, with an organization that the session token knows. */
  async inside(context: BrowserContext): Promise<SignedIn & { organization: Organization }> {
    const signedIn = await this.signedIn(context);
    const organization = await this.createOrganization(signedIn, newOrganization());
    return Object.assign(signedIn, { organization });
  }

  /** Creates an organization by the JSON route, and puts a token that knows it into the cookies. */
  async createOrganization(signedIn: SignedIn, data: { name: string; slug: string }): Promise<Organization> {
    const { origin } = this.app;
    const response = await signedIn.context.request.post(`${origin}/api/organizations/create`, { headers: { origin }, data });
    const { organization, delivery } = await checked(response);
    if (delivery !== 'delivered') throw new Error(`Clerk was not told of ${organization.id}`);
    await signedIn.renew();
    return organization;
  }

  /** A call to the Frontend API, by the way that browsers take. */
  async frontend(request: APIRequestContext, path: string, form: Record<string, string> = {}) {
    const response = await request.post(`${this.app.origin}/__clerk/v1${path}`, { headers: { origin: this.app.origin }, form });
    return checked(response);
  }

  private async backend(method: string, path: string, body?: unknown) {
    const { api_url, secret_key } = this.app.dev;
    const response = await fetch(new URL(`/v1${path}`, api_url), {
      method,
      headers: { authorization: `Bearer ${secret_key}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
}

/** A signed-in person in a browser. */
export class SignedIn {
  constructor(
    private readonly clerk: Clerk,
    readonly context: BrowserContext,
    readonly person: Person,
    readonly userId: string,
    readonly sessionId: string,
  ) {}

  /** Puts a token made now into the cookies. */
  async renew(): Promise<void> {
    const { jwt } = await this.clerk.frontend(this.context.request, `/client/sessions/${this.sessionId}/tokens`);
    await this.keep(jwt);
  }

  /** The browser loses its session token, but not who it is. */
  async loseToken(): Promise<void> {
    await this.context.clearCookies({ name: /^__session/ });
  }

  /** Writes the token where clerk-js writes it: plain, and with the instance's suffix. */
  async keep(jwt: string): Promise<void> {
    const suffixed = (await this.context.cookies()).find((cookie) => cookie.name.startsWith('__client_uat_'));
    if (!suffixed) throw new Error('Clerk set no __client_uat');
    const names = ['__session', suffixed.name.replace('__client_uat', '__session')];
    const { domain, path } = suffixed;
    await this.context.addCookies(names.map((name) => ({ name, value: jwt, domain, path, sameSite: 'Lax' as const })));
  }
}

async function checked(response: APIResponse) {
  if (!response.ok()) throw new Error(`${response.url()} answered ${response.status()}: ${await response.text()}`);
  return response.json();
}
