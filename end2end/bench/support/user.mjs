// Creates users and signs them in over HTTP, without forms, like tests/support/clerk.ts for the tests.
import { randomBytes } from 'node:crypto';

/** A new user at Clerk. */
export async function addUser(app) {
  const id = randomBytes(4).toString('hex');
  const user = { identifier: `ada-${id}@example.com`, password: `correct horse ${id}` };
  const created = await backend(app, 'POST', '/users', { email_address: [user.identifier], password: user.password });
  return { ...user, userId: created.id };
}

/** A browser context in which a new user is signed in, with every cookie that Clerk's form would have set. */
export class SignedIn {
  #app;
  #context;
  #userId;
  #sessionId;

  static async start(app, browser) {
    const { userId, ...credentials } = await addUser(app);
    const signedIn = new SignedIn();
    signedIn.#app = app;
    signedIn.#context = await browser.newContext();
    signedIn.#userId = userId;
    const { client } = await signedIn.#frontend('/client/sign_ins', { strategy: 'password', ...credentials });
    signedIn.#sessionId = client.sessions[0].id;
    return signedIn;
  }

  /** The storage state for a new browser context, with a new session token. */
  async state() {
    const { jwt } = await this.#frontend(`/client/sessions/${this.#sessionId}/tokens`);
    const suffixed = (await this.#context.cookies()).find(({ name }) => name.startsWith('__client_uat_'));
    const { domain, path } = suffixed;
    const names = ['__session', suffixed.name.replace('__client_uat', '__session')];
    await this.#context.addCookies(names.map((name) => ({ name, value: jwt, domain, path, sameSite: 'Lax' })));
    return this.#context.storageState();
  }

  async createOrganization() {
    await this.state();
    const id = randomBytes(4).toString('hex');
    const { origin } = this.#app;
    const data = { name: `Blue Harbor ${id}`, slug: `blue-harbor-${id}` };
    const { delivery } = await checked(await this.#context.request.post(`${origin}/api/organizations/create`, { headers: { origin }, data }));
    if (delivery !== 'delivered') throw new Error('Clerk was not notified of the organization');
  }

  /** Makes Clerk lose the user's organization without a webhook: our server would repair it at once. */
  async forgetOrganization() {
    const control = new URL(this.#app.dev.inbox_url);
    control.pathname = '/control';
    const answer = await fetch(control, { method: 'PUT', body: JSON.stringify({ webhooks: { drop: 1_000 } }) });
    if (!answer.ok) throw new Error(`the emulator answered ${answer.status}: ${await answer.text()}`);
    await backend(this.#app, 'PATCH', `/users/${this.#userId}/metadata`, { public_metadata: { activeOrgId: null } });
  }

  async #frontend(path, form = {}) {
    const { origin } = this.#app;
    return checked(await this.#context.request.post(`${origin}/__clerk/v1${path}`, { headers: { origin }, form }));
  }
}

async function backend(app, method, path, body) {
  const { api_url, secret_key } = app.dev;
  const headers = { authorization: `Bearer ${secret_key}`, 'content-type': 'application/json' };
  const answer = await fetch(new URL(`/v1${path}`, api_url), { method, headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`the emulator answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

async function checked(answer) {
  if (!answer.ok()) throw new Error(`${answer.url()} answered ${answer.status()}: ${await answer.text()}`);
  return answer.json();
}
