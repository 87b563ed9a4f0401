// Starts clerk-js once per page: `vestibule.clerk()` returns a promise of it. `vestibule.clerk(true)` also waits for
// Clerk's UI, a second script that `Clerk.load` takes as a promise, so a page may load it later. After a failure, the
// next call tries again. An error named "NotLoaded": the browser could not fetch a script.
(() => {
  const setting = (name) => document.documentElement.getAttribute('data-clerk-' + name);
  const run = (address, attributes) => new Promise((done, fail) => {
    const script = document.createElement('script');
    for (const name in attributes) script.setAttribute('data-clerk-' + name, attributes[name]);
    script.onload = done;
    script.onerror = () => fail({ name: 'NotLoaded' });
    script.src = address;
    document.head.append(script);
  });
  let starting, fetching, give;
  const ClerkUI = new Promise((done) => (give = done));
  const load = async () => {
    const key = { 'publishable-key': setting('publishable-key') }, proxy = setting('proxy-url');
    if (!window.Clerk) await run(setting('js'), proxy ? { ...key, 'proxy-url': proxy } : key);
    await Clerk.load({
      ui: { ClerkUI },
      signInUrl: '/sign-in',
      signUpUrl: '/sign-up',
      signInFallbackRedirectUrl: '/dashboard',
      signUpFallbackRedirectUrl: '/dashboard',
      afterSignOutUrl: '/?signed-out=1',
      telemetry: false,
    });
    return Clerk;
  };
  const fetchInterface = () => run(setting('ui')).then(() => give(__internal_ClerkUICtor));
  (window.vestibule ||= {}).clerk = (withInterface) => {
    starting ||= load().catch((error) => { starting = 0; throw error; });
    if (!withInterface) return starting;
    fetching ||= fetchInterface().catch((error) => { fetching = 0; throw error; });
    return Promise.all([starting, fetching]).then(([clerk]) => clerk);
  };
})();
