// Problems in a page, for an engine whose driver reports none. Both functions run inside the page. What happened before
// the first call, a fraction of a second after a page began, is not seen.
//
// (WebKitGTK itself can print its console, but not in a browser that is driven: its windows are private.)

/** Begins to record, once in each page. Kept in the window's session storage: there it outlives the page. */
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
  // Resources that do not load tell only those who listen on the way down.
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
