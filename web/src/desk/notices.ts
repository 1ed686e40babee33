// Notices at the foot of the reading page: the line is down, the hold is lost, another tab has the case.
import { make } from "./page";

export interface Choice {
  words: string;
  run: () => void;
}

/** Shows a notice under a name, in the place of the one that had it; a notice without choices is only read. */
export function notice(name: string, words: string, choices: Choice[] = [], tone = "amber"): void {
  const at = document.getElementById("notices");
  if (!at) return;
  const shown = make("div", `dr-toast dr-toast--${tone}`);
  shown.dataset["notice"] = name;
  shown.append(make("p", "", words));
  for (const choice of choices) {
    const button = make("button", "nhsuk-button nhsuk-button--secondary", choice.words);
    button.type = "button";
    button.addEventListener("click", choice.run);
    shown.append(button);
  }
  const before = at.querySelector(`[data-notice="${name}"]`);
  if (before?.textContent === shown.textContent) return;
  if (before) before.replaceWith(shown);
  else at.append(shown);
}

export function dismiss(name: string): void {
  document.querySelector(`#notices [data-notice="${name}"]`)?.remove();
}

export function dismissAll(): void {
  document.getElementById("notices")?.replaceChildren();
}
