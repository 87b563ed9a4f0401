// Records problems in a page, for an engine whose driver reports none. Both functions run inside the page. Whatever
// happens before the first call, a fraction of a second after a page starts, is missed.
//
// (WebKitGTK itself can print its console, but not when it is driven: its windows are private then.)

/** Starts recording, once per page. The record is in the window's session storage, which outlives the page. */
export function recordProblems() {
  const keep = (line) => {
    const lines = JSON.parse(sessionStorage.getItem('problems') ?? '[]');
    sessionStorage.setItem('problems', JSON.stringify([...lines, line]));
  };
  if (window.recorded) return;
  window.recorded = true;

  const { error } = console;
  console.error = (...args) => {
    keep(`console: ${args.join(' ')}`);
    error.apply(console, args);
  };
  addEventListener('unhandledrejection', ({ reason }) => keep(`uncaught: ${reason}`));
  addEventListener('securitypolicyviolation', (event) => keep(`policy: ${event.violatedDirective} forbids ${event.blockedURI}`));
  // Errors of resources do not bubble, so this listens in the capture phase.
  addEventListener('error', ({ message, target }) => keep(`uncaught: ${message ?? target.src ?? target.href}`), true);
  const { fetch } = window;
  window.fetch = async (...args) => {
    const response = await fetch(...args);
    if (!response.ok) keep(`request: ${response.url} answered ${response.status}`);
    return response;
  };
}

export function recordedProblems() {
  return JSON.parse(sessionStorage.getItem('problems') ?? '[]');
}
