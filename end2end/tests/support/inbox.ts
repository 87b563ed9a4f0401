// The e-mails that the Clerk emulator has "sent".
//
//   GET <inbox address with .json>  ->  [{ "to", "code", "subject", "at" }], newest first
import type { App } from './app.mjs';

const MAIL_LIMIT_MS = 10_000;
const POLL_MS = 100;

interface Mail {
  to: string;
  code: string;
  subject: string;
  at: string;
}

export class Inbox {
  /** Mails already read, so that an old code is never returned again. */
  private readonly read = new Set<string>();

  constructor(private readonly app: App) {}

  /** Waits for the newest unread code for this address. */
  async codeFor(email: string): Promise<string> {
    const deadline = Date.now() + MAIL_LIMIT_MS;
    for (;;) {
      const unread = (await this.mails()).filter((mail) => mail.to === email && !this.read.has(JSON.stringify(mail)));
      for (const mail of unread) this.read.add(JSON.stringify(mail));
      const newest = unread[0];
      if (newest) return newest.code;
      if (Date.now() > deadline) throw new Error(`no code for ${email} came within ${MAIL_LIMIT_MS / 1000} s`);
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  async mails(): Promise<Mail[]> {
    const url = new URL(this.app.dev.inbox_url);
    url.pathname += '.json';
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the inbox answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
}
