// Forms and links of the reading page without a page load: the answer's parts take the place of those that stand, so
// that the viewer lives on and nothing flashes. Without this script they are plain forms and links.
import { keys } from "../keys";
import { desk, fact, panel, tell } from "./page";

interface Answer {
  document: Document;
  url: URL;
  status: number;
}

type After = () => void;
const listeners: After[] = [];

/** Called after every swap, and once at the start. */
export function onPage(after: After): void {
  listeners.push(after);
}

/** Thrown where the session has ended: the answer is the sign-in page. */
export class SignedOut extends Error {}

/** Fetches a page of ours, following redirects. */
export async function fetchPage(input: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(input, { credentials: "same-origin", ...init });
  const url = new URL(response.url, location.href);
  if (url.pathname === "/sign-in") throw new SignedOut();
  const text = await response.text();
  return { document: new DOMParser().parseFromString(text, "text/html"), url, status: response.status };
}

/** Shows an answer: in the parts of this page where it is a reading page, else as a page of its own. */
export function show(answer: Answer, history: "push" | "keep" = "push"): void {
  const next = answer.document.getElementById("desk");
  const now = desk();
  if (!next || !now) {
    const said = answer.document.querySelector(".dr-toast p")?.textContent;
    if (answer.status >= 400) throw new Error(said ?? "it was not done");
    location.assign(answer.url.href);
    return;
  }
  const before = { caseId: fact("case"), view: fact("view"), display: fact("display") };
  const token = answer.document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content;
  if (token) document.querySelector('meta[name="csrf-token"]')?.setAttribute("content", token);
  for (const name of Object.keys(now.dataset)) delete now.dataset[name];
  for (const [name, value] of Object.entries(next.dataset)) now.dataset[name] = value ?? "";
  for (const part of answer.document.querySelectorAll<HTMLElement>("[data-swap]")) {
    const here = document.getElementById(part.id);
    if (!here) continue;
    here.className = part.className;
    here.replaceChildren(...[...part.childNodes].map((node) => document.importNode(node, true)));
  }
  const columns = answer.document.getElementById("desk-columns");
  const here = document.getElementById("desk-columns");
  if (columns && here) here.className = columns.className;
  document.title = answer.document.title;
  const address = answer.url.pathname.replace(/\/(opinion|change|act|arbitration|open)$/, "");
  if (history === "push" && address !== location.pathname) window.history.pushState({}, "", address);
  else window.history.replaceState({}, "", address);
  const another = before.caseId !== fact("case");
  if (another || before.view !== fact("view")) panel()?.scrollTo(0, 0);
  listeners.forEach((after) => after());
  keys.annotate();
  if (another || before.view !== fact("view") || before.display !== fact("display")) {
    if (fact("display")) tell("dr:case", { caseId: fact("case"), display: fact("display") });
    else tell("dr:no-case");
  }
  const refused = answer.status >= 400;
  if (refused) document.querySelector<HTMLElement>("#toast .dr-toast")?.scrollIntoView();
  else panel()?.focus({ preventScroll: true });
}

/** The first page is like a swapped one. */
export function begin(): void {
  listeners.forEach((after) => after());
  keys.annotate();
  if (fact("case")) window.history.replaceState({}, "", location.pathname.replace(/\/(opinion|change|act|arbitration|open)$/, ""));
}
