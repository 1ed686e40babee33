// What can be done by key on the reading page; each action is the button or fold of the same name in the panel.
import { keys } from "../keys";
import { isDead } from "./guard";
import { drawNext } from "./marks";

const find = (id: string): HTMLElement | null => document.querySelector<HTMLElement>(`[data-action="${id}"]`);

function act(id: string): void {
  const element = find(id);
  // A page that has given way to another one takes no key either.
  if (element?.closest("[inert]")) return;
  if (element instanceof HTMLDetailsElement) {
    element.open = true;
    const first = "input:not([type=hidden]), select, textarea, button";
    [...element.querySelectorAll<HTMLElement>(first)].find((control) => control.offsetParent !== null)?.focus();
  } else if (element && !(element.hasAttribute("data-guarded") && isDead())) element.click();
}

const ACTIONS: [string, string, string][] = [
  ["opinion.normal", "n", "Normal"],
  ["opinion.abnormal", "r", "Recall, or abnormal"],
  ["opinion.technical", "t", "Technical recall, or inadequate"],
  ["opinion.undo", "z", "One step back: look at the read before and change it"],
  ["opinion.compare", "c", "Compare with the AI and earlier reads"],
  ["opinion.keep", "k", "Keep my opinion"],
  ["opinion.act", "u", "Order a CT for today and tell the referrer"],
  ["case.next", "g", "Go on to the next case"],
  ["images.acknowledge", "a", "I have looked at all images"],
];

export function addActions(): void {
  for (const [id, key, words] of ACTIONS) {
    keys.add({ id, key, words, group: "Opinion", when: () => find(id) !== null, run: () => act(id) });
  }
  const open = (): boolean => document.querySelector("#main details[open] form[data-words] [data-mark]") !== null;
  keys.add({ id: "opinion.mark", key: "m", words: "Mark a finding on the image", group: "Opinion", when: open, run: drawNext });
}
