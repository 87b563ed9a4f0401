// The screen that names the cause keeps checking: at once and after each pause of data-pauses, it asks Clerk for a new
// token and the server whether it is sufficient, and opens data-next once it is. A tab that comes back checks at once
// and starts over. If clerk-js cannot load, or has no session because Clerk was unreachable when it started, Clerk's
// handshake (data-again) gets the token once Clerk answers.
(() => {
  const status = document.querySelector('[data-pauses]');
  const { next, again, signIn, pauses, checking, stopped } = status.dataset;
  const go = (address) => location.replace(address);
  const soon = (ms) => new Promise((done) => setTimeout(done, ms));
  const say = (text) => { if (status.textContent != text) status.textContent = text; };
  let notified = status.dataset.pending == null, lost = false, checks = 0, run = 0;
  const renew = async () => {
    const clerk = await vestibule.clerk();
    if (!clerk.session) {
      // Throws while Clerk does not answer.
      await clerk.client.reload();
      lost = !clerk.session;
    }
    const { session } = clerk;
    // Two calls with separate rate limits: sometimes the other one, in case only that gets through.
    if (session && notified) await (checks++ % 4 == 3 ? session.reload() : session.getToken({ skipCache: true }));
  };
  const ask = async () => {
    const answer = await fetch('/api/rpc/session_status', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    const { inside, waiting, delivery, code } = await answer.json();
    notified = delivery != 'pending';
    if (inside || waiting === false || code == 'session_refused' || code == 'session_pending') go(next);
    else if (code == 'signed_out') go(signIn);
  };
  const check = async () => {
    await Promise.race([renew().catch((error) => { lost = error.name == 'NotLoaded'; }), soon(4000)]);
    await ask().catch(() => {});
  };
  const watch = async () => {
    const mine = ++run;
    say(checking);
    for (const pause of pauses.split(',')) {
      await soon(+pause);
      if (mine != run) return;
      await check();
      if (lost && again) return setTimeout(go, 3000, again);
    }
    if (mine == run) say(stopped);
  };
  const anew = () => { if (!document.hidden) check().then(watch); };
  addEventListener('visibilitychange', anew);
  addEventListener('online', anew);
  check().then(watch);
})();
