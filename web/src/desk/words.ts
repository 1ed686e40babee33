// What was typed and not sent yet: kept in this tab by case, so that a lost line, a reload or a session that has
// ended loses none of it. Nothing is kept after it was sent, nor after signing out.
import { panel } from "./page";

const START = "dr:words:";

interface Kept {
  person: string;
  /** Fields by form. */
  forms: Record<string, [string, string][]>;
}

const person = (): string => document.body.dataset["person"] ?? "";
const formKey = (form: HTMLFormElement): string => `${new URL(form.action).pathname} ${field(form, "opinion")}`;
const field = (form: HTMLFormElement, name: string): string => String(new FormData(form).get(name) ?? "");

/** Fields that the server makes anew for each page. */
const NOT_KEPT = new Set(["csrf", "claim", "read", "opinion"]);

/** A password is never kept. */
const isKept = (name: string): boolean => !NOT_KEPT.has(name) && !name.startsWith("signer_password");

function forms(): HTMLFormElement[] {
  return [...(panel()?.querySelectorAll<HTMLFormElement>("form[data-words]") ?? [])];
}

/** Keeps what stands in the forms of the case now. */
export function keepWords(caseId: string): void {
  const kept: Kept = { person: person(), forms: {} };
  for (const form of forms()) {
    const fields = [...new FormData(form)].filter((pair): pair is [string, string] => typeof pair[1] === "string");
    kept.forms[formKey(form)] = fields.filter(([name]) => isKept(name));
  }
  try {
    sessionStorage.setItem(START + caseId, JSON.stringify(kept));
  } catch {
    // Storage is full or forbidden: what was typed still stands in the page.
  }
}

/** Puts back what was typed for the case; whether there was anything. */
export function restoreWords(caseId: string): boolean {
  const kept = read(START + caseId);
  if (!kept) return false;
  if (kept.person !== person()) {
    forgetWords();
    return false;
  }
  let any = false;
  for (const form of forms()) {
    const fields = kept.forms[formKey(form)];
    if (!fields) continue;
    const before = JSON.stringify([...new FormData(form)]);
    fill(form, fields);
    if (JSON.stringify([...new FormData(form)]) === before) continue;
    any = true;
    const fold = form.closest("details");
    if (fold) fold.open = true;
  }
  return any;
}

function fill(form: HTMLFormElement, fields: [string, string][]): void {
  for (const element of form.elements) {
    const control = element as HTMLInputElement;
    if (!control.name || !isKept(control.name)) continue;
    const said = fields.filter(([name]) => name === control.name).map(([, value]) => value);
    if (control.type === "checkbox" || control.type === "radio") control.checked = said.includes(control.value);
    else control.value = said[0] ?? "";
  }
}

function read(key: string): Kept | null {
  try {
    const text = sessionStorage.getItem(key);
    return text ? (JSON.parse(text) as Kept) : null;
  } catch {
    return null;
  }
}

/** Forgets what was typed for one case, or for all. */
export function forgetWords(caseId?: string): void {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(START) && (caseId === undefined || key === START + caseId)) sessionStorage.removeItem(key);
    }
  } catch {
    // Nothing is kept where storage is forbidden.
  }
}
