// Shows times in the browser's own time zone and language. The server's are in UTC.
for (const time of document.querySelectorAll('time'))
  time.textContent = new Intl.DateTimeFormat([], { dateStyle: 'long', timeStyle: time.dataset.day == null ? 'short' : undefined }).format(new Date(time.dateTime));
