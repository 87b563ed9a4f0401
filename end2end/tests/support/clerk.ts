// Creates users and signs them in over HTTP, in milliseconds. Tests of Clerk's forms use users.ts instead.
import type { APIRequestContext, APIResponse, BrowserContext } from '@playwright/test';
import type { App } from './app.mjs';
import { newOrganization, newUser, type User } from './users';

export interface Organization {
  id: string;
  name: string;
  slug: string;
}

/** The emulator's fault settings, as its control endpoint takes them. */
export interface FaultSettings {
  /** How long a metadata change stays invisible to new tokens, in ms; null: forever. */
  metadata_delay_ms?: number | null;
  /** "old": responses repeat the last session token issued before this setting, until it expires. */
  last_active_token?: 'fresh' | 'old';
  /** Tokens are copied from the last one unless the browser asks for one from the origin. clerk-js learns this when it loads. */
  session_minter?: boolean;
  /** The response to a reload carries no client. */
  omit_client?: boolean;
  /** Leave out of session tokens: the freshness mark, the authorized party, what the claims template adds. */
  omit_oiat?: boolean;
  omit_azp?: boolean;
  omit_custom_claims?: boolean;
  token_lifetime_s?: number | null;
  /** How far Clerk's clock is ahead, in ms; negative: behind. */
  clock_offset_ms?: number;
  /** Which of Clerk's rate limits apply. Default: `backend`. */
  rate_limits?: 'backend' | 'all' | 'off';
  webhooks?: {
    /** How many of the next events are never sent, and how many are delivered twice. */
    drop?: number;
    duplicate?: number;
    /** How long each event is delayed. */
    delay_ms?: number;
    /** Swaps events in pairs. */
    reorder?: boolean;
    /** The delay before each attempt; null: Svix's own schedule. */
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

/** A webhook that the emulator has sent or will send. */
export interface SentWebhook {
  id: string;
  state: 'waiting' | 'delivered' | 'failed' | 'dropped' | 'lost';
  /** Each attempt, with the response's status or why there was none. */
  tries: { at: number; status: number | null; error: string | null }[];
  event: { type: string; data: { id: string } };
}

/** The fields of an emulator session that tests read. */
interface Session {
  id: string;
  last_active_token: { jwt: string };
}

export class Clerk {
  constructor(private readonly app: App) {}

  /** Creates a user at Clerk. Returns the id. */
  async addUser(user: User): Promise<string> {
    const { id } = await this.backend('POST', '/users', { email_address: [user.email], password: user.password, first_name: user.name });
    return id;
  }

  /** `PATCH /v1/users/{id}/metadata`: merges, null removes. */
  async changeMetadata(userId: string, publicMetadata: Record<string, unknown>): Promise<void> {
    await this.backend('PATCH', `/users/${userId}/metadata`, { public_metadata: publicMetadata });
  }

  /** Makes Clerk lose the user's organization without a webhook: our server would repair it at once. */
  async forgetOrganization({ userId }: SignedIn): Promise<void> {
    await this.setFaults({ webhooks: { drop: 1_000 } });
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

  /** Makes the emulator slow, stale or broken. Replaces earlier settings. */
  async setFaults(settings: FaultSettings): Promise<void> {
    await this.control({ method: 'PUT', body: JSON.stringify(settings) });
  }

  /** Makes the emulator healthy again. */
  async resetFaults(): Promise<void> {
    await this.control({ method: 'DELETE' });
  }

  async faultSettings(): Promise<Required<FaultSettings>> {
    return this.control({ method: 'GET' });
  }

  /** How many requests each fault will still affect: 0 once it has happened as often as configured. */
  async faultsLeft(): Promise<number[]> {
    const { faults } = await this.control({ method: 'GET' });
    return faults.map(({ count }: { count: number }) => count);
  }

  /** The last webhooks, newest first. */
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

  /** Ends a session at Clerk without notifying the browser. */
  async endSession({ sessionId }: SignedIn): Promise<void> {
    await this.backend('POST', `/sessions/${sessionId}/revoke`, {});
  }

  /** Signs in a new user. Afterwards their browser has every cookie that Clerk's form would have set. */
  async signedIn(context: BrowserContext): Promise<SignedIn> {
    const user = newUser();
    const userId = await this.addUser(user);
    const { client } = await this.frontend(context.request, '/client/sign_ins', {
      strategy: 'password',
      identifier: user.email,
      password: user.password,
    });
    const session: Session = client.sessions[0];
    const signedIn = new SignedIn(this, context, user, userId, session.id);
    await signedIn.keep(session.last_active_token.jwt);
    return signedIn;
  }

  /** As `signedIn`, with an organization that the session token carries. */
  async inside(context: BrowserContext): Promise<SignedIn & { organization: Organization }> {
    const signedIn = await this.signedIn(context);
    const organization = await this.createOrganization(signedIn, newOrganization());
    return Object.assign(signedIn, { organization });
  }

  /** Creates an organization by the JSON route, and puts a token that carries it into the cookies. */
  async createOrganization(signedIn: SignedIn, data: { name: string; slug: string }): Promise<Organization> {
    const { origin } = this.app;
    const response = await signedIn.context.request.post(`${origin}/api/organizations/create`, { headers: { origin }, data });
    const { organization, delivery } = await checked(response);
    if (delivery !== 'delivered') throw new Error(`Clerk was not notified of ${organization.id}`);
    await signedIn.renew();
    return organization;
  }

  /** A call to the Frontend API through our proxy, as browsers make it. */
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

/** A signed-in user in a browser. */
export class SignedIn {
  constructor(
    private readonly clerk: Clerk,
    readonly context: BrowserContext,
    readonly user: User,
    readonly userId: string,
    readonly sessionId: string,
  ) {}

  /** Puts a new token into the cookies. */
  async renew(): Promise<void> {
    const { jwt } = await this.clerk.frontend(this.context.request, `/client/sessions/${this.sessionId}/tokens`);
    await this.keep(jwt);
  }

  /** Removes the session token, but keeps the cookies that say who is signed in. */
  async loseToken(): Promise<void> {
    await this.context.clearCookies({ name: /^__session/ });
  }

  /** Writes the token into the cookies that clerk-js uses: plain and suffixed. */
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
