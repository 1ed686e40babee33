// What a pressed key is called, and which keys may be used.

const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Dead", "Unidentified", "Process"]);

/** Keys that move within a group of choices or press a button: they belong to what has the focus. */
const MOVES = new Set(["Enter", " ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);

/**
 * The name of a pressed key: `n` for a letter in either case, `Shift+n` with Shift held, the character itself for
 * signs (`?`, `+`), `ArrowLeft` and the like. Null for what is never ours: modifiers, function keys, Tab, and
 * anything with Ctrl, Alt or Meta.
 */
export function keyOf(event: KeyboardEvent): string | null {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const { key } = event;
  if (MODIFIERS.has(key) || key === "Tab" || /^F\d+$/.test(key)) return null;
  if (key.length === 1) {
    const small = key.toLocaleLowerCase();
    const letter = small !== key.toLocaleUpperCase();
    // Caps Lock must not turn N into another key: only a held Shift does.
    if (letter) return event.shiftKey ? `Shift+${small}` : small;
    return key;
  }
  return event.shiftKey ? `Shift+${key}` : key;
}

/** Whether the key belongs to the element that has the focus: text being typed, or a choice being moved. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  if (target instanceof HTMLInputElement) {
    const chosen = target.type === "radio" || target.type === "checkbox" || target.type === "range";
    return chosen ? MOVES.has(event.key) : true;
  }
  const pressed = target.closest("button, a[href], summary, [role=option], [role=menuitem]");
  return pressed !== null && (event.key === "Enter" || event.key === " ");
}

/** Why a key can't be chosen, in words; null where it can. */
export function whyNot(key: string): string | null {
  if (key === "/" || key === "'") return "Browsers search in the page with this key.";
  if (key === " " || key === "Shift+ ") return "The space bar presses buttons and moves the page.";
  if (key === "Enter" || key === "Shift+Enter") return "Enter presses the button that has the focus.";
  if (key === "Escape" || key === "Shift+Escape") return "Escape closes what is open.";
  if (key === "Backspace" || key === "Delete") return "Some browsers go back a page with this key.";
  if (/^(Shift\+)?(Home|End|PageUp|PageDown)$/.test(key)) return "This key moves the page.";
  if (/^(Shift\+)?(Browser|Audio|Media|Launch|Context|Print|Scroll|Pause|Insert)/.test(key)) return "The system uses this key.";
  return null;
}

const NAMES: Record<string, string> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
};

/** A key as it is written on a page: `N`, `Shift N`, `←`. */
export function wordsOfKey(key: string): string {
  const shift = key.startsWith("Shift+") && key.length > 6;
  const bare = shift ? key.slice(6) : key;
  const name = NAMES[bare] ?? (bare.length === 1 ? bare.toLocaleUpperCase() : bare);
  return shift ? `Shift ${name}` : name;
}
