// The outage page checks every few seconds whether the outage is over, and reloads only then, so the focus stays where
// it is.
setInterval(() => {
  if (!document.hidden) fetch(location.href, { redirect: 'manual', headers: { accept: 'text/html' } }).then(({ status }) => { if (status != 503) location.reload(); }, () => {});
}, 5000);
