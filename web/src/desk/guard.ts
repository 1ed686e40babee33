// Buttons that record an opinion stay dead while a double click from the case before may still land on them.
import { fact, panel } from "./page";

let claim = "";
let aliveAt = 0;
let timer = 0;

/** Begins the dead time of a case that has just loaded; a page of the same claim again goes on where it was. */
export function guard(): void {
  const deadMs = Number(fact("deadMs") || 0);
  if (fact("claim") !== claim) {
    claim = fact("claim");
    aliveAt = performance.now() + deadMs;
  }
  clearTimeout(timer);
  const left = aliveAt - performance.now();
  mark(left > 0);
  if (left > 0) timer = window.setTimeout(() => mark(false), left);
}

export const isDead = (): boolean => performance.now() < aliveAt - 5;

function mark(dead: boolean): void {
  if (!dead) aliveAt = 0;
  for (const element of panel()?.querySelectorAll<HTMLElement>("[data-guarded]") ?? []) {
    element.toggleAttribute("data-dead", dead);
    if (dead) element.setAttribute("aria-disabled", "true");
    else element.removeAttribute("aria-disabled");
  }
}
