// Mounts Clerk's form in #clerk-form. Until it appears, reports what is wrong: still loading after five seconds, a
// failed script at once. Needs no WebAssembly.
(() => {
  const element = document.getElementById('clerk-form'), frame = element.parentNode, { form, after, other } = frame.dataset;
  const state = (name) => { if (!element.firstChild) frame.dataset.state = name; };
  const failed = () => state('failed');
  // Cookies may be blocked although navigator.cookieEnabled is true: only writing one shows it.
  const keepsCookies = () => {
    try {
      document.cookie = 'vestibule_probe=1; path=/; SameSite=Lax';
      const kept = document.cookie.includes('vestibule_probe=');
      document.cookie = 'vestibule_probe=; path=/; max-age=0';
      return kept && !!window.localStorage;
    } catch {
      return false;
    }
  };
  if (!keepsCookies()) return state('no-cookies');
  setTimeout(() => { if (!frame.dataset.state) state('slow'); }, 5000);
  // Clerk itself fetches the form's other scripts.
  addEventListener('error', (event) => { if (event.target.src) failed(); }, true);
  vestibule.clerk(true).then((clerk) => {
    // Both forms get both targets, because either may lead to the other.
    clerk[form](element, {
      routing: 'hash',
      fallbackRedirectUrl: after,
      signInFallbackRedirectUrl: after,
      signUpFallbackRedirectUrl: after,
      [form == 'mountSignUp' ? 'signInUrl' : 'signUpUrl']: other,
      // Clerk draws the boxes of a code at 11 % strength; an edge needs 3:1, and a border shows in forced colors.
      appearance: { elements: { otpCodeFieldInput: { '&&': { border: '1px solid var(--edge)' } } } },
    });
  }).catch(failed);
})();
