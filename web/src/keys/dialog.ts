// The list of keys: a native modal dialog, in which each key can be changed, taken away or put back.
import { keyOf, whyNot, wordsOfKey } from "./key";
import { storeKeys } from "./store";
import type { RemoteAction } from "../keys";

/** What the dialog needs of the table of actions. */
interface Table {
  list(): RemoteAction[];
  choices(): Record<string, string>;
  choose(choices: Record<string, string>): void;
}

const ID = "dr-keys";

/** Opens the list, or brings it to the front. */
export function openDialog(table: Table): void {
  document.getElementById(ID)?.remove();
  const dialog = make("dialog", "dr-keys");
  dialog.id = ID;
  dialog.setAttribute("aria-labelledby", `${ID}-title`);
  const title = make("h2", "", "Keys");
  title.id = `${ID}-title`;
  const hint = make("p", "dr-small", "Choose a key to change it. Keys work everywhere but in a field that you type into.");
  const status = make("p", "dr-keys__status");
  status.setAttribute("role", "status");
  const lists = make("div", "dr-keys__groups");
  const scroll = make("div", "dr-keys__scroll");
  scroll.append(lists);
  const foot = make("div", "dr-keys__foot");
  const reset = button("Put all keys back", "nhsuk-button nhsuk-button--secondary");
  const close = button("Close", "nhsuk-button");
  close.autofocus = true;
  foot.append(close, reset);
  dialog.append(title, hint, scroll, status, foot);
  document.body.append(dialog);

  const draw = (focusOn?: string): void => {
    lists.replaceChildren(...groups(table.list()).map(([name, actions]) => group(name, actions, change)));
    if (focusOn) lists.querySelector<HTMLElement>(`[data-id="${CSS.escape(focusOn)}"]`)?.focus();
  };
  const keep = (choices: Record<string, string>, words: string, id?: string): void => {
    table.choose(choices);
    draw(id);
    status.textContent = words;
    void storeKeys(choices).then((failed) => {
      if (failed) status.textContent = `${words} ${failed}`;
    });
  };
  const change = (action: RemoteAction, at: HTMLButtonElement): void => {
    at.textContent = "Press a key…";
    status.textContent = `Press the new key for “${action.words}”. Escape leaves it as it is, Backspace takes it away.`;
    const stop = (): void => {
      at.removeEventListener("keydown", pressed);
      at.removeEventListener("blur", left);
    };
    const left = (): void => {
      stop();
      draw();
    };
    const pressed = (event: KeyboardEvent): void => {
      if (event.key === "Tab") return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Escape") {
        stop();
        draw(action.id);
        status.textContent = "The key is as it was.";
        return;
      }
      const key = event.key === "Backspace" ? "" : keyOf(event);
      if (key === null) return;
      const no = key === "" ? null : whyNot(key) ?? taken(table.list(), key, action.id);
      if (no) {
        status.textContent = `${wordsOfKey(key)} can't be used. ${no}`;
        return;
      }
      stop();
      const words = key ? `“${action.words}” now has the key ${wordsOfKey(key)}.` : `“${action.words}” has no key now.`;
      keep({ ...table.choices(), [action.id]: key }, words, action.id);
    };
    at.addEventListener("keydown", pressed);
    at.addEventListener("blur", left);
  };
  reset.addEventListener("click", () => keep({}, "All keys are as they were shipped."));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  draw();
  dialog.showModal();
}

function taken(actions: RemoteAction[], key: string, but: string): string | null {
  const other = actions.find((one) => one.key === key && one.id !== but);
  return other ? `It is the key for “${other.words}”.` : null;
}

function groups(actions: RemoteAction[]): [string, RemoteAction[]][] {
  const found = new Map<string, RemoteAction[]>();
  for (const one of actions) found.set(one.group, [...(found.get(one.group) ?? []), one]);
  return [...found];
}

function group(name: string, actions: RemoteAction[], change: (action: RemoteAction, at: HTMLButtonElement) => void): HTMLElement {
  const section = make("section", "dr-keys__group");
  const rows = make("ul", "dr-keys__list");
  for (const action of actions) {
    const row = make("li", "dr-keys__row");
    const at = button(action.key ? wordsOfKey(action.key) : "no key", "dr-keys__key");
    at.dataset["id"] = action.id;
    at.setAttribute("aria-label", `${action.words}: ${action.key ? wordsOfKey(action.key) : "no key"}. Change`);
    at.addEventListener("click", () => change(action, at));
    row.append(make("span", "", action.words), at);
    rows.append(row);
  }
  section.append(make("h3", "", name), rows);
  return section;
}

function button(words: string, className: string): HTMLButtonElement {
  const made = make("button", className, words);
  made.type = "button";
  return made;
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
