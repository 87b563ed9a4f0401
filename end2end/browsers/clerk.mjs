// The Clerk emulator that runs with the app: its inbox and its fault settings.
import { until } from './wait.mjs';

/** The code that was sent to an address. Every test has its own addresses, so there is only one. */
export function codeFor(app, email) {
  return until(`a mail to ${email}`, async () => {
    const address = new URL(app.dev.inbox_url);
    address.pathname += '.json';
    const mails = await (await fetch(address)).json();
    return mails.find((mail) => mail.to === email)?.code;
  });
}

/** Makes it slow or broken. Replaces earlier settings. */
export async function setFaults(app, settings) {
  await control(app, { method: 'PUT', body: JSON.stringify(settings) });
}

/** Makes it healthy again. */
export async function resetFaults(app) {
  await control(app, { method: 'DELETE' });
}

async function control(app, init) {
  const response = await fetch(app.dev.control_url, init);
  if (!response.ok) throw new Error(`the emulator answered ${response.status}: ${await response.text()}`);
}
