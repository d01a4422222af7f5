// Keeps the parts of a page current that say so: <section id="…" data-live="SECONDS">.
// The server renders; this fetches the same page again and puts the part in place.
"use strict";

async function refresh(id) {
  const part = document.getElementById(id);
  if (!part || !part.dataset.live) return;
  const seconds = Number(part.dataset.live);
  if (!document.hidden) {
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (response.redirected) return location.reload();
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById(id);
      // Whoever stands in the part with the keyboard, or has opened something in it, is not disturbed.
      const busy = part.contains(document.activeElement) || part.querySelector("details[open]");
      if (response.ok && fresh && !busy) part.replaceWith(document.adoptNode(fresh));
    } catch {
      // The platform may be restarting: the next round will tell.
    }
  }
  setTimeout(refresh, seconds * 1000, id);
}

for (const part of document.querySelectorAll("[data-live]")) {
  setTimeout(refresh, Number(part.dataset.live) * 1000, part.id);
}
