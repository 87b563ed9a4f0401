// The account menu: a <details> that closes on Escape, on a click elsewhere and on a choice, and returns the focus.
// Clerk's scripts load when it is first opened.
(() => {
  const menu = document.querySelector('.menu');
  const [summary, form, status] = ['summary', 'form', '[role=status]'].map((what) => menu.querySelector(what));
  const say = (text) => { status.hidden = !text; status.textContent = text; };
  const close = () => { menu.open = false; };
  menu.ontoggle = () => { if (menu.open) { say(''); vestibule.clerk(true).catch(() => {}); } };
  menu.onkeydown = (event) => { if (event.key == 'Escape' && menu.open) { close(); summary.focus(); } };
  document.addEventListener('click', (event) => { if (!menu.contains(event.target)) close(); });
  const manage = async (event) => {
    event.stopPropagation();
    menu.open = true;
    say('Loading your account…');
    try {
      const clerk = await vestibule.clerk(true);
      close();
      summary.focus();
      clerk.openUserProfile();
    } catch {
      say('Your account can’t be shown: the sign-in service didn’t load. Nothing was changed. Try again.');
    }
  };
  for (const button of document.querySelectorAll('[data-manage]')) {
    button.hidden = false;
    button.onclick = manage;
  }
  // With clerk-js, other tabs notice at once. Without it, the form goes to the server, which ends the session at Clerk.
  form.onsubmit = (event) => {
    event.preventDefault();
    const late = setTimeout(plain, 3000);
    function plain() { clearTimeout(late); form.submit(); }
    vestibule.clerk().then((clerk) => (clerk.session ? clerk.signOut().then(() => clearTimeout(late)) : plain())).catch(plain);
  };
})();
