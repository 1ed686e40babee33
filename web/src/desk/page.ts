// What the parts of the desk share: the page's elements and the events between page and viewer.

/** The reading page's root, with what the server said of the case in its data attributes; none on other pages. */
export const desk = (): HTMLElement | null => document.getElementById("desk");

export const panel = (): HTMLElement | null => document.getElementById("main");

/** A data attribute of the root; empty where there is none. */
export const fact = (name: string): string => desk()?.dataset[name] ?? "";

export const csrf = (): string => document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";

/** Tells the viewer something, or is told by it (the contract between page and viewer). */
export function tell(name: string, detail: unknown = {}): void {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}

export function told<T>(name: string, then: (detail: T) => void): void {
  document.addEventListener(name, (event) => then((event as CustomEvent<T>).detail));
}

/** Sends JSON with the token of the session. */
export function post(path: string, body: unknown): Promise<Response> {
  return fetch(path, {
    method: "POST",
    credentials: "same-origin",
    headers: { "X-CSRF-Token": csrf(), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
