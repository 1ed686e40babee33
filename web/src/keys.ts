// One table of actions with their keys and one keydown listener for the whole window.
//
// In: actions from the viewer and the desk; the person's own keys from `<body data-keys>`. Out: an action run.
// Never: a key with Ctrl, Alt or Meta, a function key, or one that the browser itself uses; a letter that was
// typed into a field. `?` opens the list, in which every key can be changed.
import { isTyping, keyOf, wordsOfKey } from "./keys/key";
import { openDialog } from "./keys/dialog";

/** Something that a person can do by one key. */
export interface Action {
  /** Stable name, such as `opinion.normal`; the person's own key is stored under it. */
  id: string;
  /** Key as shipped, in the form of {@link keyOf}: `n`, `Shift+n`, `ArrowLeft`; empty for none. */
  key: string;
  /** What it does, as the list says it. */
  words: string;
  /** Heading in the list. */
  group: string;
  run: () => void;
  /** Whether it can be done now; a key whose action can't be done is left to the browser. */
  when?: () => boolean;
}

/** An action that another window runs. */
export interface RemoteAction {
  id: string;
  key: string;
  words: string;
  group: string;
}

type Listener = () => void;

class Keys {
  private readonly actions = new Map<string, Action>();
  private remote: RemoteAction[] = [];
  private send: (id: string) => void = () => undefined;
  private chosen: Record<string, string> = {};
  private readonly listeners = new Set<Listener>();
  private readonly warned = new Set<string>();
  private telling = false;

  /** Adds an action, or takes the place of the one with its id. Returns what takes it away again. */
  add(action: Action): () => void {
    this.actions.set(action.id, action);
    this.changed();
    return () => {
      if (this.actions.get(action.id) === action) {
        this.actions.delete(action.id);
        this.changed();
      }
    };
  }

  /** Actions that another window runs: their keys work here too, and `send` gets the id. */
  addRemote(actions: RemoteAction[], send: (id: string) => void): void {
    this.remote = actions.filter((one) => !this.actions.has(one.id));
    this.send = send;
    this.changed();
  }

  /** Runs an action as if its key had been pressed; false where there is none or it can't be done now. */
  run(id: string): boolean {
    const action = this.actions.get(id);
    if (!action || action.when?.() === false) return false;
    action.run();
    return true;
  }

  /** Every action with the key that it has now, in the order in which they were added. */
  list(): RemoteAction[] {
    const shown = [...this.actions.values(), ...this.remote];
    const keys = this.assigned();
    return shown.map(({ id, words, group }) => ({ id, words, group, key: keys.get(id) ?? "" }));
  }

  /** The key of an action now; empty where it has none. */
  keyFor(id: string): string {
    return this.assigned().get(id) ?? "";
  }

  /** Keys that the person chose, by id of the action. */
  choices(): Record<string, string> {
    return { ...this.chosen };
  }

  /** Takes over the person's choices (from the page, from another window, or from the list). */
  choose(choices: Record<string, string>): void {
    this.chosen = { ...choices };
    this.changed();
  }

  /** Called after each change of actions or keys. Returns what stops it. */
  onChange(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Opens the list of keys. */
  show(): void {
    openDialog(this);
  }

  /** Writes the keys into `[data-key-of="id"]` (text) and `[data-action="id"]` (aria-keyshortcuts) under `root`. */
  annotate(root: ParentNode = document): void {
    const keys = this.assigned();
    for (const element of root.querySelectorAll<HTMLElement>("[data-key-of]")) {
      const key = keys.get(element.dataset["keyOf"] ?? "") ?? "";
      const words = wordsOfKey(key);
      if (element.textContent !== words) element.textContent = words;
      element.hidden = key === "";
    }
    for (const element of root.querySelectorAll<HTMLElement>("[data-action]")) {
      const key = keys.get(element.dataset["action"] ?? "") ?? "";
      if (key) element.setAttribute("aria-keyshortcuts", key);
      else element.removeAttribute("aria-keyshortcuts");
    }
  }

  /** Runs what belongs to a pressed key. */
  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing || isTyping(event)) return;
    if (document.querySelector("dialog:modal")) return;
    const key = keyOf(event);
    if (!key) return;
    for (const [id, assigned] of this.assigned()) {
      if (assigned !== key) continue;
      if (this.run(id)) event.preventDefault();
      else if (!this.actions.has(id)) {
        event.preventDefault();
        this.send(id);
      }
      return;
    }
  }

  /** The person's own keys come first; a shipped key that is taken by then leaves its action without one. */
  private assigned(): Map<string, string> {
    const all = [...this.actions.values(), ...this.remote];
    const taken = new Set<string>();
    const keys = new Map<string, string>();
    for (const { id } of all) {
      const own = this.chosen[id];
      if (own === undefined) continue;
      const free = own === "" || !taken.has(own);
      keys.set(id, free ? own : "");
      if (free && own) taken.add(own);
    }
    for (const { id, key } of all) {
      if (keys.has(id)) continue;
      const free = key !== "" && !taken.has(key);
      if (key !== "" && !free && !this.warned.has(id)) {
        this.warned.add(id);
        console.warn(`the key ${key} of ${id} is taken`);
      }
      keys.set(id, free ? key : "");
      if (free) taken.add(key);
    }
    return keys;
  }

  /** Tells of changes once, however many actions are added together. */
  private changed(): void {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      this.annotate();
      for (const listener of this.listeners) listener();
    });
  }
}

function fromPage(): Record<string, string> {
  try {
    const read: unknown = JSON.parse(document.body.dataset["keys"] ?? "{}");
    if (typeof read !== "object" || read === null) return {};
    return Object.fromEntries(Object.entries(read).filter((pair): pair is [string, string] => typeof pair[1] === "string"));
  } catch {
    return {};
  }
}

/** The keys of this window. */
export const keys = new Keys();

// A module may be evaluated twice (under two addresses); the listener must not be there twice.
const mark = "doubleread-keys";
if (!document.documentElement.hasAttribute(`data-${mark}`)) {
  document.documentElement.setAttribute(`data-${mark}`, "");
  keys.choose(fromPage());
  keys.add({ id: "keys.show", key: "?", words: "List the keys and change them", group: "Everywhere", run: () => keys.show() });
  document.addEventListener("keydown", (event) => keys.press(event));
}
