// The reading page: keeps the claim alive, holds the buttons dead for a moment after the case loads,
// and gives the keys N, T, R and the image window drag. The page works without any of it.
"use strict";
(() => {
  const desk = document.querySelector("[data-case]");
  if (!desk) return;
  const csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  const caseId = desk.dataset.case;

  // Buttons that record an opinion stay dead while a double click from the case before may still land.
  const deadMs = Number(desk.dataset.deadMs || 0);
  const guarded = document.querySelectorAll("[data-guarded]");
  let alive = deadMs <= 0;
  if (!alive) {
    guarded.forEach((element) => element.setAttribute("data-dead", ""));
    setTimeout(() => {
      alive = true;
      guarded.forEach((element) => element.removeAttribute("data-dead"));
    }, deadMs);
  }
  document.addEventListener("submit", (event) => {
    if (!alive && event.submitter?.closest("[data-guarded]")) event.preventDefault();
    else if (event.target.dataset.sent) event.preventDefault();
    else event.target.dataset.sent = "1";
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

  // Heartbeat: renews the lease; says so in words when it is lost.
  const everyMs = Number(desk.dataset.heartbeatMs || 0);
  const lost = document.querySelector("[data-claim-lost]");
  if (everyMs > 0) {
    const beat = async () => {
      try {
        const answer = await fetch(`/api/cases/${caseId}/heartbeat`, {
          method: "POST",
          credentials: "same-origin",
          headers: { "X-CSRF-Token": csrf, "Content-Type": "application/json" },
          body: JSON.stringify({ claim_token: desk.dataset.claim }),
        });
        if (answer.status === 409 || answer.status === 401 || answer.status === 403) {
          const said = await answer.json().catch(() => ({}));
          if (lost) {
            lost.querySelector("p").textContent = said.message || "You no longer hold this case.";
            lost.hidden = false;
          }
          clearInterval(timer);
        }
      } catch {
        // The line is down: the next beat tries again, and the server takes the claim back by itself if none arrives.
      }
    };
    const timer = setInterval(beat, everyMs);
  }

  // Keys: N normal, T technical recall (or inadequate), R recall (or abnormal).
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea")) return;
    const target = document.querySelector(`[data-key="${event.key.toLowerCase()}"]`);
    if (!target) return;
    event.preventDefault();
    if (target.tagName === "DETAILS") {
      target.open = true;
      target.querySelector("input, select, button")?.focus();
    } else if (alive) target.click();
  });

  // One fold open at a time, so that the button in sight is the one that was meant.
  const folds = [...document.querySelectorAll("details[data-fold]")];
  folds.forEach((fold) => fold.addEventListener("toggle", () => {
    if (fold.open) folds.forEach((other) => { if (other !== fold) other.open = false; });
  }));

  // A film that can't be shown says so in its place.
  document.querySelectorAll(".dr-film img").forEach((image) => {
    const failed = () => {
      const note = document.createElement("p");
      note.className = "dr-film__failed";
      note.textContent = "This image can't be shown.";
      image.replaceWith(note);
    };
    if (image.complete && image.naturalWidth === 0) failed();
    else image.addEventListener("error", failed);
  });

  // Brightness and contrast by dragging on a film: left and right for contrast, up and down for brightness; double
  // click puts it back. It changes how the picture is shown, nothing else.
  document.querySelectorAll(".dr-film img").forEach((image) => {
    let start = null;
    let look = { brightness: 1, contrast: 1 };
    const show = () => { image.style.filter = `brightness(${look.brightness}) contrast(${look.contrast})`; };
    image.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      start = { x: event.clientX, y: event.clientY, ...look };
      image.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    image.addEventListener("pointermove", (event) => {
      if (!start) return;
      look = {
        contrast: Math.min(4, Math.max(0.3, start.contrast + (event.clientX - start.x) / 300)),
        brightness: Math.min(3, Math.max(0.3, start.brightness - (event.clientY - start.y) / 300)),
      };
      show();
    });
    const stop = () => { start = null; };
    image.addEventListener("pointerup", stop);
    image.addEventListener("pointercancel", stop);
    image.addEventListener("dblclick", () => { look = { brightness: 1, contrast: 1 }; show(); });
  });
})();
