// The heartbeat that keeps the hold on an open case; its loss is said, and the case can be opened again with what was
// typed still there.
import { signInAgain } from "./again";
import { dismiss, notice } from "./notices";
import { csrf, fact, post } from "./page";
import { fetchPage, show } from "./swap";
import { keepWords } from "./words";

let timer = 0;

/** Beats for the case on the page, if it is held here. */
export function beatOn(): void {
  clearInterval(timer);
  dismiss("hold");
  const everyMs = Number(fact("heartbeatMs") || 0);
  if (everyMs > 0) timer = window.setInterval(() => void beat(), everyMs);
}

async function beat(): Promise<void> {
  const caseId = fact("case");
  let answer: Response;
  try {
    answer = await post(`/api/cases/${caseId}/heartbeat`, { claim_token: fact("claim") });
  } catch {
    notice("beat", "The line to the service is down. Nothing that you typed is lost; the hold on the case is asked for again.");
    return;
  }
  if (caseId !== fact("case")) return;
  dismiss("beat");
  if (answer.status === 401) {
    clearInterval(timer);
    signInAgain(() => {
      beatOn();
      void beat();
    });
    return;
  }
  if (answer.status !== 409) return;
  clearInterval(timer);
  keepWords(caseId);
  const said = (await answer.json().catch(() => ({}))) as { message?: string };
  notice("hold", `${said.message ?? "You no longer hold this case"}. What you typed is kept.`, [{ words: "Open it again", run: () => void reopen(caseId) }], "red");
}

async function reopen(caseId: string): Promise<void> {
  try {
    show(await fetchPage(`/cases/${caseId}/open`, { method: "POST", body: new URLSearchParams({ csrf: csrf() }) }));
  } catch (error) {
    notice("hold", `It can't be opened again: ${(error as Error).message}.`, [{ words: "Try again", run: () => void reopen(caseId) }], "red");
  }
}
