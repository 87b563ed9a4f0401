// The page about an outage looks every few seconds whether it is over, and loads itself again only then: the focus stays
// where it is.
setInterval(() => {
  if (!document.hidden) fetch(location.href, { redirect: 'manual', headers: { accept: 'text/html' } }).then(({ status }) => { if (status != 503) location.reload(); }, () => {});
}, 5000);
