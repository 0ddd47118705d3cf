// Shows how far a run is without looking again by hand. Everything here is a nicety: the
// page says the same without it, as of when it was asked for.
(() => {
  "use strict";
  const box = document.getElementById("going");
  const say = document.getElementById("going-said");
  if (!box || !window.EventSource) return;
  let stream = null;
  let runs = Number(box.dataset.runs);

  const ended = () => {
    say.textContent = "The run has ended.";
    const busy = document.activeElement && document.activeElement !== document.body;
    if (box.dataset.then === "reload" && !busy) location.reload();
    else if (box.dataset.then === "reload") {
      const again = document.createElement("a");
      again.href = location.href;
      again.className = "button";
      again.textContent = "The run has ended. Look again";
      box.replaceChildren(again);
    }
  };
  const open = () => {
    if (stream || document.hidden) return;
    stream = new EventSource("/progress/events");
    stream.addEventListener("going", (e) => {
      const now = Number(e.lastEventId);
      // The server draws this part as it draws the page, escaped.
      if (now > 0 || box.dataset.then !== "reload") box.innerHTML = e.data;
      if (now > 0 && runs === 0) say.textContent = "A run has begun.";
      if (now === 0 && runs > 0) ended();
      // A run that had not begun, or had ended, before anybody listened.
      else if (now === 0 && box.dataset.waits) setTimeout(() => now === runs && location.reload(), 1500);
      runs = now;
    });
  };
  const close = () => {
    if (stream) stream.close();
    stream = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
})();
