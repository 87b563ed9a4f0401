// Renews the inbox in place: every three seconds while it is visible, and at once when it becomes visible. Rows that stay
// are not touched, so the focus, the selection and a button that says "Copied" stay too. Rows come from the same page,
// written and escaped by the server.
'use strict';
{
  const PERIOD_MS = 3000;
  const TIMEOUT_MS = 10000;
  const COPIED_MS = 2000;
  const table = document.querySelector('.mails');
  const body = table.tBodies[0];
  const empty = document.querySelector('.empty');
  const wrong = document.querySelector('.wrong');
  const status = document.querySelector('[role=status]');
  const clock = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', second: '2-digit' });
  let page = '';
  let timer;

  // The rows by what the server wrote; of two that are alike, the second has another key.
  const keyed = (rows) => {
    const map = new Map();
    for (const row of rows) {
      let key = row.outerHTML;
      while (map.has(key)) key += '+';
      map.set(key, row);
    }
    return map;
  };

  const local = (row) => {
    const time = row.querySelector('time');
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.textContent = clock.format(at);
  };

  // Emptied first: setting the same text twice is no change, and a screen reader would not read it.
  let announcing;
  const announce = (text) => {
    clearTimeout(announcing);
    status.textContent = '';
    announcing = setTimeout(() => (status.textContent = text), 100);
  };

  const report = (text) => {
    if (wrong.textContent === text) return;
    wrong.textContent = text;
    wrong.hidden = !text;
    announce(text || 'The emulator answers again.');
  };

  let shown = keyed(body.rows);
  shown.forEach(local);

  const show = (rows) => {
    const next = keyed(rows);
    for (const [key, row] of shown) if (!next.has(key)) row.remove();
    const fresh = [];
    let place = body.rows[0] ?? null;
    for (const [key, row] of next) {
      const old = shown.get(key);
      if (old) {
        next.set(key, old);
        place = old.nextElementSibling;
      } else {
        local(row);
        body.insertBefore(row, place);
        fresh.push(row);
      }
    }
    shown = next;
    table.hidden = next.size === 0;
    empty.hidden = next.size > 0;
    if (fresh.length === 1) {
      announce(`New code ${fresh[0].querySelector('code').textContent} for ${fresh[0].querySelector('.to').textContent}`);
    } else if (fresh.length > 1) {
      announce(`${fresh.length} new e-mails`);
    }
  };

  const renew = async () => {
    try {
      const answer = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.status === 403) {
        report('The emulator has a new address for this page. Open the one from its start-up log.');
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      const table = text === page ? null : new DOMParser().parseFromString(text, 'text/html').querySelector('.mails');
      report('');
      if (table) show([...table.tBodies[0].rows]);
      page = text;
    } catch {
      report('The emulator does not answer. This page keeps trying.');
    }
  };

  // One at a time. A hidden page waits until it is visible.
  const next = () => {
    clearTimeout(timer);
    if (document.visibilityState === 'visible') timer = setTimeout(run, PERIOD_MS);
  };
  let running = false;
  const run = async () => {
    if (running) return;
    running = true;
    clearTimeout(timer);
    await renew();
    running = false;
    next();
  };
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') run();
    else clearTimeout(timer);
  });
  next();

  // Where the clipboard is closed to the page: selects the code, and copies what is selected.
  const select = (code) => {
    getSelection().selectAllChildren(code);
    return document.execCommand('copy');
  };

  const copy = async (code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      return select(code);
    }
  };

  const labels = new WeakMap();
  const label = (button, text) => {
    const visible = button.querySelector('[aria-hidden]');
    clearTimeout(labels.get(button));
    visible.textContent = text;
    labels.set(button, setTimeout(() => (visible.textContent = 'Copy'), COPIED_MS));
  };

  table.addEventListener('click', async (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    const code = button.closest('tr').querySelector('code');
    if (await copy(code)) {
      label(button, 'Copied');
      announce(`Copied ${code.textContent}`);
    } else {
      label(button, 'Selected');
      announce(`${code.textContent} is selected, not copied. Copy it with the keyboard.`);
    }
  });
}
