// A small HTTP server in front of the emulator: it records calls, can answer some with stubs, and can be an app's proxy
// under /__clerk.
import { createServer, request as send, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** A call that passed. */
export interface Passed {
  method: string;
  /** With its query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  status: number;
  /** The response's content type, exactly as sent. */
  contentType: string | null;
}

/** A response of the relay itself. */
export interface Stub {
  status?: number;
  contentType?: string;
  body: string;
  /** Further headers; several cookies are several values. */
  headers?: Record<string, string | string[]>;
}

export interface RelayOptions {
  /** Where to. */
  target: string;
  /** `localhost` for browsers. */
  host?: string;
  /** Stubs some of the target's responses. */
  stub?: (call: { method: string; path: string; headers: IncomingHttpHeaders }) => Stub | Promise<Stub> | undefined;
  /** Changes the path and headers that the target receives. */
  rewrite?: (call: { path: string; headers: IncomingHttpHeaders }) => { path: string; headers: IncomingHttpHeaders };
  /** Overrides the content type of the target's responses. */
  contentType?: string;
}

export class Relay {
  readonly passed: Passed[] = [];

  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  static async start(options: RelayOptions): Promise<Relay> {
    const host = options.host ?? '127.0.0.1';
    const server = createServer((incoming, outgoing) => {
      forward(options, incoming, outgoing).then(
        (passed) => relay.passed.push(passed),
        (error: Error) => outgoing.writeHead(502).end(error.message),
      );
    });
    server.listen(0, host);
    await once(server, 'listening');
    const relay = new Relay(server, `http://${host}:${(server.address() as AddressInfo).port}`);
    return relay;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** An origin on which nothing listens. */
export async function unreachableOrigin(): Promise<string> {
  const relay = await Relay.start({ target: '' });
  await relay.stop();
  return relay.origin;
}

async function forward(options: RelayOptions, incoming: IncomingMessage, outgoing: ServerResponse): Promise<Passed> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const { method = 'GET', url: path = '/', headers } = incoming;
  const passed = { method, path, headers, body: body.toString() };

  const stub = await options.stub?.({ method, path, headers });
  if (stub) {
    const { status = 200, contentType = 'application/json' } = stub;
    outgoing.writeHead(status, { 'content-type': contentType, ...stub.headers }).end(stub.body);
    return { ...passed, status, contentType };
  }
  const target = options.rewrite?.({ path, headers: { ...headers } }) ?? { path, headers };
  const request = send(new URL(target.path, options.target), { method, headers: target.headers });
  request.end(body);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const answered = { ...answer.headers };
  if (options.contentType && answered['content-type']) answered['content-type'] = options.contentType;
  outgoing.writeHead(answer.statusCode ?? 502, answered);
  answer.pipe(outgoing);
  return { ...passed, status: answer.statusCode ?? 502, contentType: answer.headers['content-type'] ?? null };
}
