// Webhooks as the official verifyWebhook() of @clerk/backend receives them: section 7 of the protocol.
import type { createClerkClient } from '@clerk/backend';
import { verifyWebhook } from '@clerk/backend/webhooks';
import type { Emulator } from '../support/emulator.mjs';
import type { Hook, Receiver } from './support/receiver';
import type { Row, Values } from './support/rows';
import { Frontend, type Visitor } from './support/visitor';

type Clerk = ReturnType<typeof createClerkClient>;

export interface WebhookDesk {
  clerk: Clerk;
  /** A new user, of whom the receiver knows already. */
  user: Awaited<ReturnType<Clerk['users']['getUser']>>;
  /** Somebody who is signed in from a browser, of whom it knows as well. */
  its: Visitor;
  emulator: Emulator;
  receiver: Receiver;
  secret: string;
}

export interface WebhookRow extends Row {
  see: (desk: WebhookDesk) => Promise<Values>;
}

const VERIFIED = { verified: true, object: 'event', timestamp: 'now, in ms', instance: true };
const STRANGER = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
const NO_MATCH = 'No matching signature found';

/** What the library makes of a webhook. */
async function verified(hook: Hook, signingSecret: string): Promise<Values> {
  try {
    const event = await verifyWebhook(request(hook), { signingSecret });
    // The library leaves these two out.
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

/** The one webhook that something leads to, verified, and what its data is. */
async function one({ receiver, secret }: WebhookDesk, type: string, data: (data: Record<string, unknown>) => Values): Promise<Values> {
  const hook = await receiver.next(type);
  return { ...(await verified(hook, secret)), ...data(dataOf(hook)) };
}

const users: WebhookRow[] = [
  {
    id: '7-user-created',
    call: 'users.createUser()',
    see: async (desk) => {
      const made = await desk.clerk.users.createUser({ emailAddress: [`told-${Date.now()}@example.test`], privateMetadata: { secret: 1 } });
      return one(desk, 'user.created', (data) => ({ same: same(data, made.raw), private: JSON.stringify(data.private_metadata) }));
    },
    expected: { ...VERIFIED, type: 'user.created', address: '127.0.0.1', agent: '@clerk/backend', same: true, private: '{"secret":1}' },
  },
  {
    id: '7-user-updated',
    call: 'users.updateUserMetadata()',
    see: async (desk) => {
      const changed = await desk.clerk.users.updateUserMetadata(desk.user.id, { publicMetadata: { plan: 'pro' } });
      return one(desk, 'user.updated', (data) => ({ same: same(data, changed.raw), plan: (data.public_metadata as { plan: string }).plan }));
    },
    expected: { ...VERIFIED, type: 'user.updated', same: true, plan: 'pro' },
    remark: 'The data is the user as the Backend API answers.',
  },
  {
    id: '7-user-updated-sign-in',
    call: 'sessions.createSession()',
    see: async (desk) => {
      await desk.clerk.sessions.createSession({ userId: desk.user.id });
      return one(desk, 'user.updated', ({ last_sign_in_at: last }) => ({ signedIn: Number(last) > desk.user.createdAt - 1 }));
    },
    expected: { ...VERIFIED, type: 'user.updated', signedIn: true },
    remark: 'Whether Clerk tells of every sign-in so is not known. In the emulator it changes the user, so it does.',
  },
  {
    id: '7-user-deleted',
    call: 'users.deleteUser()',
    see: async (desk) => {
      await desk.clerk.users.deleteUser(desk.user.id);
      return one(desk, 'user.deleted', ({ id, ...rest }) => ({ same: id === desk.user.id, data: JSON.stringify(rest) }));
    },
    expected: { ...VERIFIED, type: 'user.deleted', same: true, data: '{"deleted":true,"object":"user"}' },
  },
];

const sessions: WebhookRow[] = [
  {
    id: '7-session-created',
    call: 'sessions.createSession()',
    see: async (desk) => {
      const { id } = await desk.clerk.sessions.createSession({ userId: desk.user.id });
      return one(desk, 'session.created', (data) => ({ same: data.id === id, ...ofSession(data, desk.user.id) }));
    },
    expected: { ...VERIFIED, type: 'session.created', same: true, status: 'active', user: true },
  },
  {
    id: '7-session-revoked',
    call: 'sessions.revokeSession()',
    see: async (desk) => {
      const { id } = await desk.clerk.sessions.createSession({ userId: desk.user.id });
      await desk.clerk.sessions.revokeSession(id);
      return one(desk, 'session.revoked', (data) => ({ same: data.id === id, ...ofSession(data, desk.user.id) }));
    },
    expected: { ...VERIFIED, type: 'session.revoked', same: true, status: 'revoked', user: true },
  },
  ...(['end', 'remove'] as const).map((way): WebhookRow => {
    const status = way === 'end' ? 'ended' : 'removed';
    return {
      id: `7-session-${status}`,
      call: `POST /v1/client/sessions/{session}/${way} by the browser`,
      see: async (desk) => {
        await new Frontend(desk.its.app, desk.its.client).post(`/v1/client/sessions/${desk.its.session}/${way}`, {});
        return one(desk, `session.${status}`, (data) => ({ same: data.id === desk.its.session, ...ofSession(data, desk.its.user) }));
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
    see: async (desk) => {
      await desk.clerk.users.updateUserMetadata(desk.user.id, { publicMetadata: { plan: 'pro' } });
      return verified(change(await desk.receiver.next('user.updated')), secret ?? desk.secret);
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
    see: async (desk) => {
      await desk.emulator.setFaults({ clock_offset_ms: offset });
      await desk.clerk.users.updateUserMetadata(desk.user.id, { publicMetadata: { plan: 'pro' } });
      return verified(await desk.receiver.next('user.updated'), desk.secret);
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
    call: `a webhook that is answered with ${answer.status}, the waits between tries 0 ms`,
    see: async (desk) => {
      await desk.emulator.setFaults({ webhooks: { retry_schedule_ms: [0, 0] } });
      desk.receiver.answer(answer);
      await desk.clerk.users.updateUserMetadata(desk.user.id, { publicMetadata: { plan: 'pro' } });
      const [first, second] = [await desk.receiver.next('user.updated'), await desk.receiver.next('user.updated')];
      return {
        path: second.path,
        sameId: first.headers['svix-id'] === second.headers['svix-id'],
        sameBody: first.body === second.body,
        ...(await verified(second, desk.secret)),
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
