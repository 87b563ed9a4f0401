// A server that uses only Clerk's own library and its environment variables. It works with Clerk and with the emulator:
// node --env-file=clerk.env server.mjs
//
//   GET /         the signed-in user; 401 with Clerk's reason if there is none
//   GET /users    all users, from the Backend API
import { createServer } from 'node:http';
import { createClerkClient } from '@clerk/backend';

const { CLERK_SECRET_KEY, CLERK_PUBLISHABLE_KEY, CLERK_API_URL, CLERK_JWT_KEY, PORT = '8080' } = process.env;

const clerk = createClerkClient({
  secretKey: CLERK_SECRET_KEY,
  publishableKey: CLERK_PUBLISHABLE_KEY,
  apiUrl: CLERK_API_URL,
  // Tokens are verified without a call.
  jwtKey: CLERK_JWT_KEY,
});

async function answer(incoming) {
  const url = new URL(incoming.url, `http://${incoming.headers.host}`);
  const state = await clerk.authenticateRequest(new Request(url, { method: incoming.method, headers: incoming.headers }));
  const auth = state.toAuth();
  if (!auth?.userId) return [401, { reason: state.reason }];
  if (url.pathname === '/') return [200, { user: auth.userId, session: auth.sessionId }];
  if (url.pathname === '/users') {
    const { data } = await clerk.users.getUserList({ orderBy: 'email_address' });
    return [200, data.map((user) => ({ user: user.id, email: user.primaryEmailAddress?.emailAddress }))];
  }
  return [404, {}];
}

const server = createServer((incoming, outgoing) => {
  answer(incoming).then(
    ([status, body]) => outgoing.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`),
    (error) => outgoing.writeHead(500).end(`${error.message}\n`),
  );
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
