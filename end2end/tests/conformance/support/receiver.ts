// Receives and keeps webhooks, and responds as configured.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A webhook as it arrived. */
export interface Hook {
  path: string;
  headers: Record<string, string>;
  body: string;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
}

const PATIENCE_MS = 10_000;

export class Receiver {
  readonly #arrived: Hook[] = [];
  #answers: Answer[] = [];
  #look: () => void = () => {};

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Receiver> {
    const server = createServer(async (incoming, outgoing) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk);
      const { status, headers } = receiver.#answers.shift() ?? { status: 204 };
      outgoing.writeHead(status, headers).end();
      receiver.#arrived.push({
        path: incoming.url ?? '',
        headers: incoming.headers as Record<string, string>,
        body: Buffer.concat(chunks).toString(),
      });
      receiver.#look();
    });
    const receiver = new Receiver(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/api/webhooks/clerk`;
  }

  /** Sets the response to the next webhook. Default: 204. */
  answer(answer: Answer): void {
    this.#answers.push(answer);
  }

  /** Waits for the next webhook of a type, skipping others. */
  async next(type: string): Promise<Hook> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      for (let hook = this.#arrived.shift(); hook; hook = this.#arrived.shift()) {
        if (JSON.parse(hook.body).type === type) return hook;
      }
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no ${type} arrived`);
      await new Promise<void>((resolve) => {
        const patience = setTimeout(resolve, left);
        this.#look = () => {
          clearTimeout(patience);
          resolve();
        };
      });
    }
  }

  /** Forgets received webhooks and unused responses. */
  forget(): void {
    this.#arrived.length = 0;
    this.#answers = [];
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
