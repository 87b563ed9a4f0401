// The watchdog of the page's interactive part (WebAssembly), which sets data-wasm on the root element to "awake". Until
// then this script sets it to "absent" (cannot run) or "late" (not yet); the stylesheet shows what works without it. A
// page that only waits has a fallback without WebAssembly (data-without-wasm). Must run in browsers too old for the
// rest of the page.
(function (root) {
  function get() { return root.getAttribute('data-wasm'); }
  function leave() {
    var address = root.getAttribute('data-without-wasm');
    if (address && get() != 'awake') location.replace(address);
  }
  function absent() { leave(); root.setAttribute('data-wasm', 'absent'); }
  function failed(error) {
    if (get() != 'awake' || (typeof WebAssembly == 'object' && error instanceof WebAssembly.RuntimeError)) absent();
  }
  // A browser that translates wraps each text. Waking expects the texts where the server has drawn them.
  window.vestibule = {
    unwrap: function () {
      [].forEach.call(document.querySelectorAll('leptos-island font'), function (font) {
        var parent = font.parentNode;
        while (font.firstChild) parent.insertBefore(font.firstChild, font);
        parent.removeChild(font);
        parent.normalize();
      });
    },
  };
  addEventListener('unhandledrejection', function (event) { failed(event.reason); });
  addEventListener('error', function (event) { if (event.error) failed(event.error); });
  // A broken island must not keep the plain form from being sent.
  addEventListener('submit', function (event) { if (get() == 'absent') event.stopImmediatePropagation(); }, true);
  if (typeof WebAssembly != 'object' || !('noModule' in HTMLScriptElement.prototype)) return absent();
  setTimeout(function () { if (!get()) root.setAttribute('data-wasm', 'late'); }, 4000);
  setTimeout(leave, 10000);
})(document.documentElement);
