// Sends the forms of the reading page. A line that is down costs nothing that was typed: the lock is tried once more by
// itself and then by the reader; a session that has ended is begun again in the page, and what was sent is sent again.
import { signInAgain } from "./again";
import { isDead } from "./guard";
import { dismiss, notice } from "./notices";
import { csrf, fact, make } from "./page";
import { fetchPage, show, SignedOut } from "./swap";
import { forgetWords, keepWords } from "./words";

const RETRY_AFTER_MS = 1_500;
let busy = false;

export function listenToForms(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (form.method !== "post" || form.closest(".dr-header")) return;
    event.preventDefault();
    const submitter = event.submitter as HTMLButtonElement | null;
    const guarded = submitter?.closest("[data-guarded]") ?? null;
    // One at a time: the second click of a double click finds the first under way, or the next case still dead.
    if (busy || (guarded && isDead())) return;
    void send(form, submitter);
  });
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.("a");
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || link.origin !== location.origin || !link.closest("#toast, #main")) return;
    if (!link.pathname.startsWith("/cases/")) return;
    event.preventDefault();
    void look(link.href);
  });
  addEventListener("popstate", () => void look(location.href, "keep"));
}

/** Shows another page of a case. */
export async function look(address: string, history: "push" | "keep" = "push"): Promise<void> {
  try {
    show(await fetchPage(address), history);
    dismiss("line");
  } catch (error) {
    if (error instanceof SignedOut) signInAgain(() => void look(address, history));
    else failed(error, () => void look(address, history));
  }
}

function failed(error: unknown, again: () => void): void {
  const down = error instanceof TypeError;
  const words = down ? "The line to the service is down. Nothing that you typed is lost." : `Not done: ${(error as Error).message}.`;
  notice("line", words, [{ words: "Try again", run: again }], down ? "amber" : "red");
}

async function send(form: HTMLFormElement, submitter: HTMLButtonElement | null): Promise<void> {
  busy = true;
  const caseId = fact("case");
  if (form.matches("[data-words]")) keepWords(caseId);
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form, submitter)) if (typeof value === "string") fields.append(name, value);
  const action = form.action;
  submitter?.setAttribute("aria-busy", "true");
  try {
    const answer = await twice(action, fields);
    dismiss("line");
    // Only an opinion takes its words with it: opening the case again brings them back.
    if (answer.status < 400 && form.matches("[data-words]")) forgetWords(caseId);
    show(answer);
  } catch (error) {
    const again = (): void => void send(form, submitter);
    if (error instanceof SignedOut) signInAgain(again);
    else failed(error, again);
  } finally {
    busy = false;
    submitter?.removeAttribute("aria-busy");
  }
}

async function once(action: string, fields: URLSearchParams): ReturnType<typeof fetchPage> {
  // The token is that of the session now: it may have begun anew since the form was made.
  fields.set("csrf", csrf());
  return fetchPage(action, { method: "POST", body: fields });
}

/** Sends, and once more where the line was down. Where the first one had arrived after all, the case says so. */
async function twice(action: string, fields: URLSearchParams): ReturnType<typeof fetchPage> {
  try {
    return await once(action, fields);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  notice("line", "The line to the service is down; trying once more.");
  await new Promise((later) => setTimeout(later, RETRY_AFTER_MS));
  const answer = await once(action, fields);
  if (answer.status !== 409) return answer;
  return fetchPage(`${action.replace(/\/(opinion|change|act|arbitration)$/, "")}?said=recorded`);
}

/** What is typed is kept as it is typed; signing out forgets it. */
export function listenToWords(): void {
  const keep = (event: Event): void => {
    if ((event.target as Element).closest?.("form[data-words]")) keepWords(fact("case"));
  };
  document.addEventListener("input", keep);
  document.addEventListener("change", keep);
  document.addEventListener("submit", (event) => {
    if ((event.target as HTMLFormElement).getAttribute("action") === "/sign-out") forgetWords();
  }, true);
}

/** Says that what was typed before stands in the form again. */
export function sayRestored(): void {
  const at = document.getElementById("opinion");
  if (!at || at.querySelector("[data-restored]")) return;
  const said = make("p", "dr-small", "What you typed before stands here again.");
  said.dataset["restored"] = "";
  said.setAttribute("role", "status");
  at.querySelector("h2")?.after(said);
}

