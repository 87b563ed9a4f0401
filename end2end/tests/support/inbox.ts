// The e-mails that the Clerk emulator would have sent.
//
//   GET <inbox address with .json>  ->  { "messages": [{ "id", "to", "code", … }] }, oldest first
import type { App } from './app';

const MAIL_LIMIT_MS = 10_000;
const POLL_MS = 100;

interface Message {
  id: string;
  to: string;
  code?: string;
}

export class Inbox {
  /** Codes that were handed out: an old one must not be taken for the one a person waits for. */
  private readonly used = new Set<string>();

  constructor(private readonly app: App) {}

  /** The newest code for this address that was not asked for before. */
  async codeFor(email: string): Promise<string> {
    const deadline = Date.now() + MAIL_LIMIT_MS;
    for (;;) {
      const fresh = (await this.messages()).filter(
        (message) => message.code && !this.used.has(message.id) && message.to.toLowerCase() === email.toLowerCase(),
      );
      for (const message of fresh) this.used.add(message.id);
      const code = fresh.at(-1)?.code;
      if (code) return code;
      if (Date.now() > deadline) throw new Error(`no code for ${email} came within ${MAIL_LIMIT_MS / 1000} s`);
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  async messages(): Promise<Message[]> {
    const url = new URL(this.app.dev.inbox_url);
    url.pathname = url.pathname.replace(/\/?$/, '.json');
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the inbox answered ${response.status}: ${await response.text()}`);
    return (await response.json()).messages;
  }
}
