// The Clerk emulator that runs with the app: its inbox and its control.
import { until } from './wait.mjs';

/** The code that was sent to an address. Every test has addresses of its own, so there is one. */
export function codeFor(app, email) {
  return until(`a mail to ${email}`, async () => {
    const address = new URL(app.dev.inbox_url);
    address.pathname += '.json';
    const mails = await (await fetch(address)).json();
    return mails.find((mail) => mail.to === email)?.code;
  });
}

/** Makes it slow or broken. Nothing named: everything is well again. */
export async function setFaults(app, settings) {
  const response = await fetch(app.dev.control_url, settings ? { method: 'PUT', body: JSON.stringify(settings) } : { method: 'DELETE' });
  if (!response.ok) throw new Error(`the emulator answered ${response.status}: ${await response.text()}`);
}
