// Webhooks as the official verifyWebhook() of @clerk/backend receives them: section 7 of the protocol.
import type { createClerkClient } from '@clerk/backend';
import { verifyWebhook } from '@clerk/backend/webhooks';
import type { Emulator } from '../support/emulator.mjs';
import type { Hook, Receiver } from './support/receiver';
import type { Row, Values } from './support/rows';
import { Frontend, type Visitor } from './support/visitor';

type Clerk = ReturnType<typeof createClerkClient>;

export interface WebhookContext {
  clerk: Clerk;
  /** A new user, whose `user.created` the receiver has already had. */
  user: Awaited<ReturnType<Clerk['users']['getUser']>>;
  /** A user who is signed in from a browser, whose `session.created` it has had, too. */
  its: Visitor;
  emulator: Emulator;
  receiver: Receiver;
  secret: string;
}

export interface WebhookRow extends Row {
  see: (context: WebhookContext) => Promise<Values>;
}

const VERIFIED = { verified: true, object: 'event', timestamp: 'now, in ms', instance: true };
const STRANGER = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
const NO_MATCH = 'No matching signature found';

/** What the library makes of a webhook. */
async function verified(hook: Hook, signingSecret: string): Promise<Values> {
  try {
    const event = await verifyWebhook(request(hook), { signingSecret });
    // The library drops these two.
    const { timestamp, instance_id } = JSON.parse(hook.body);
    return {
      verified: true,
      object: event.object,
      type: event.type,
      timestamp: Math.abs(timestamp - Date.now()) < 60_000 ? 'now, in ms' : timestamp,
      instance: instance_id.startsWith('ins_'),
      address: event.event_attributes.http_request.client_ip,
      agent: event.event_attributes.http_request.user_agent.replace(/@[\d.]+$/, ''),
    };
  } catch (error) {
    return { verified: false, error: (error as Error).message.replace(/^@clerk\/backend: Unable to verify incoming webhook: /, '') };
  }
}

const request = ({ headers, body }: Hook) => new Request('http://localhost/api/webhooks/clerk', { method: 'POST', headers, body });
const dataOf = ({ body }: Hook) => JSON.parse(body).data;

/** The one webhook that an action causes, verified, and its data. */
async function one({ receiver, secret }: WebhookContext, type: string, data: (data: Record<string, unknown>) => Values): Promise<Values> {
  const hook = await receiver.next(type);
  return { ...(await verified(hook, secret)), ...data(dataOf(hook)) };
}

const users: WebhookRow[] = [
  {
    id: '7-user-created',
    call: 'users.createUser()',
    see: async (context) => {
      const made = await context.clerk.users.createUser({ emailAddress: [`created-${Date.now()}@example.test`], privateMetadata: { secret: 1 } });
      return one(context, 'user.created', (data) => ({ same: same(data, made.raw), private: JSON.stringify(data.private_metadata) }));
    },
    expected: { ...VERIFIED, type: 'user.created', address: '127.0.0.1', agent: '@clerk/backend', same: true, private: '{"secret":1}' },
  },
  {
    id: '7-user-updated',
    call: 'users.updateUserMetadata()',
    see: async (context) => {
      const changed = await context.clerk.users.updateUserMetadata(context.user.id, { publicMetadata: { plan: 'pro' } });
      return one(context, 'user.updated', (data) => ({ same: same(data, changed.raw), plan: (data.public_metadata as { plan: string }).plan }));
    },
    expected: { ...VERIFIED, type: 'user.updated', same: true, plan: 'pro' },
    remark: 'The data is the user as the Backend API returns it.',
  },
  {
    id: '7-user-updated-sign-in',
    call: 'sessions.createSession()',
    see: async (context) => {
      await context.clerk.sessions.createSession({ userId: context.user.id });
      return one(context, 'user.updated', ({ last_sign_in_at: last }) => ({ signedIn: Number(last) > context.user.createdAt - 1 }));
    },
    expected: { ...VERIFIED, type: 'user.updated', signedIn: true },
    remark: 'Whether Clerk sends this for every sign-in is unknown. In the emulator, a sign-in changes the user, so it does.',
  },
  {
    id: '7-user-deleted',
    call: 'users.deleteUser()',
    see: async (context) => {
      await context.clerk.users.deleteUser(context.user.id);
      return one(context, 'user.deleted', ({ id, ...rest }) => ({ same: id === context.user.id, data: JSON.stringify(rest) }));
    },
    expected: { ...VERIFIED, type: 'user.deleted', same: true, data: '{"deleted":true,"object":"user"}' },
  },
];

const sessions: WebhookRow[] = [
  {
    id: '7-session-created',
    call: 'sessions.createSession()',
    see: async (context) => {
      const { id } = await context.clerk.sessions.createSession({ userId: context.user.id });
      return one(context, 'session.created', (data) => ({ same: data.id === id, ...ofSession(data, context.user.id) }));
    },
    expected: { ...VERIFIED, type: 'session.created', same: true, status: 'active', user: true },
  },
  {
    id: '7-session-revoked',
    call: 'sessions.revokeSession()',
    see: async (context) => {
      const { id } = await context.clerk.sessions.createSession({ userId: context.user.id });
      await context.clerk.sessions.revokeSession(id);
      return one(context, 'session.revoked', (data) => ({ same: data.id === id, ...ofSession(data, context.user.id) }));
    },
    expected: { ...VERIFIED, type: 'session.revoked', same: true, status: 'revoked', user: true },
  },
  ...(['end', 'remove'] as const).map((way): WebhookRow => {
    const status = way === 'end' ? 'ended' : 'removed';
    return {
      id: `7-session-${status}`,
      call: `POST /v1/client/sessions/{session}/${way} by the browser`,
      see: async (context) => {
        await new Frontend(context.its.app, context.its.client).post(`/v1/client/sessions/${context.its.session}/${way}`, {});
        return one(context, `session.${status}`, (data) => ({ same: data.id === context.its.session, ...ofSession(data, context.its.user) }));
      },
      expected: { ...VERIFIED, type: `session.${status}`, same: true, status, user: true },
    };
  }),
];

const delivery: WebhookRow[] = [
  ...(
    [
      ['secret', 'verified with another secret', (hook: Hook) => hook, STRANGER, NO_MATCH],
      ['body', 'its body changed on the way', (hook: Hook) => ({ ...hook, body: hook.body.replace('pro', 'max') }), undefined, NO_MATCH],
      ['id', 'its id changed on the way', (hook: Hook) => headed(hook, 'svix-id', 'msg_1'), undefined, NO_MATCH],
      ['time', 'its time changed on the way', (hook: Hook) => headed(hook, 'svix-timestamp', Math.floor(Date.now() / 1000) + 9), undefined, NO_MATCH],
    ] as const
  ).map(([what, how, change, secret, error]): WebhookRow => ({
    id: `7-signature-${what}`,
    call: `a webhook, ${how}`,
    see: async (context) => {
      await context.clerk.users.updateUserMetadata(context.user.id, { publicMetadata: { plan: 'pro' } });
      return verified(change(await context.receiver.next('user.updated')), secret ?? context.secret);
    },
    expected: { verified: false, error },
  })),
  ...(
    [
      ['old', -310_000, 'Message timestamp too old'],
      ['new', 310_000, 'Message timestamp too new'],
    ] as const
  ).map(([what, offset, error]): WebhookRow => ({
    id: `7-too-${what}`,
    call: `a webhook, the emulator’s clock ${Math.abs(offset) / 1000} s ${offset < 0 ? 'behind' : 'ahead'}`,
    see: async (context) => {
      await context.emulator.setFaults({ clock_offset_ms: offset });
      await context.clerk.users.updateUserMetadata(context.user.id, { publicMetadata: { plan: 'pro' } });
      return verified(await context.receiver.next('user.updated'), context.secret);
    },
    expected: { verified: false, error },
  })),
  ...(
    [
      ['500', { status: 500 }],
      ['redirect', { status: 302, headers: { location: '/elsewhere' } }],
    ] as const
  ).map(([what, answer]): WebhookRow => ({
    id: `7-again-${what}`,
    call: `a webhook that is answered with ${answer.status}, 0 ms between attempts`,
    see: async (context) => {
      await context.emulator.setFaults({ webhooks: { retry_schedule_ms: [0, 0] } });
      context.receiver.answer(answer);
      await context.clerk.users.updateUserMetadata(context.user.id, { publicMetadata: { plan: 'pro' } });
      const [first, second] = [await context.receiver.next('user.updated'), await context.receiver.next('user.updated')];
      return {
        path: second.path,
        sameId: first.headers['svix-id'] === second.headers['svix-id'],
        sameBody: first.body === second.body,
        ...(await verified(second, context.secret)),
      };
    },
    expected: { path: '/api/webhooks/clerk', sameId: true, sameBody: true, verified: true },
  })),
];

export const webhookRows: WebhookRow[] = [...users, ...sessions, ...delivery];

function headed(hook: Hook, name: string, value: string | number): Hook {
  return { ...hook, headers: { ...hook.headers, [name]: String(value) } };
}

function ofSession(data: Record<string, unknown>, user: string): Values {
  return { status: String(data.status), user: (data.user as { id: string }).id === user && data.user_id === user };
}

function same(data: unknown, raw: unknown): boolean {
  return JSON.stringify(data) === JSON.stringify(raw);
}
