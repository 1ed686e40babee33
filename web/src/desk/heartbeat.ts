// The heartbeat of an open case: it keeps the hold, and hears what the same reader does at another machine. A hold that is
// lost is said, and the case can be opened again with what was typed still there.
import { signInAgain } from "./again";
import { machine } from "./machine";
import { dismiss, notice } from "./notices";
import { csrf, fact, panel, post } from "./page";
import { fetchPage, show } from "./swap";
import { keepWords } from "./words";

let timer = 0;

/** Beats for the case on the page, if it is held here: at once, then again and again. */
export function beatOn(): void {
  clearInterval(timer);
  for (const name of ["hold", "machine"]) dismiss(name);
  const everyMs = Number(fact("heartbeatMs") || 0);
  if (everyMs <= 0) return;
  timer = window.setInterval(() => void beat(), everyMs);
  void beat();
}

async function beat(): Promise<void> {
  const [caseId, claim] = [fact("case"), fact("claim")];
  let answer: Response;
  try {
    answer = await post(`/api/cases/${caseId}/heartbeat`, { claim_token: claim, machine: machine() });
  } catch {
    notice("beat", "The line to the service is down. Nothing that you typed is lost; the hold on the case is asked for again.");
    return;
  }
  // What is asked of a page that has gone on meanwhile is of no concern to this one.
  if (caseId !== fact("case") || claim !== fact("claim") || !Number(fact("heartbeatMs") || 0)) return;
  dismiss("beat");
  if (answer.status === 401) {
    clearInterval(timer);
    signInAgain(beatOn);
    return;
  }
  const said = (await answer.json().catch(() => ({}))) as { code?: string; message?: string; elsewhere?: boolean };
  if (answer.status !== 409) {
    if (said.elsewhere) notice("machine", "You have this case open on another machine too. The first opinion that you record, here or there, is the one that counts.");
    else dismiss("machine");
    return;
  }
  clearInterval(timer);
  dismiss("machine");
  keepWords(caseId);
  if (said.code === "already_read") {
    panel()?.setAttribute("inert", "");
    notice("hold", "You have recorded your opinion of this case in another window or on another machine. Nothing more can be recorded here.", [
      { words: "See what was recorded", run: () => void see(caseId) },
    ], "red");
    return;
  }
  notice("hold", `${sentence(said.message ?? "you no longer hold this case")} What you typed is kept.`, [{ words: "Open it again", run: () => void reopen(caseId) }], "red");
}

const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

async function see(caseId: string): Promise<void> {
  try {
    show(await fetchPage(`/cases/${caseId}`));
  } catch (error) {
    notice("hold", `The case can't be shown: ${(error as Error).message}.`, [{ words: "Try again", run: () => void see(caseId) }], "red");
  }
}

async function reopen(caseId: string): Promise<void> {
  try {
    show(await fetchPage(`/cases/${caseId}/open`, { method: "POST", body: new URLSearchParams({ csrf: csrf() }) }));
  } catch (error) {
    notice("hold", `It can't be opened again: ${(error as Error).message}.`, [{ words: "Try again", run: () => void reopen(caseId) }], "red");
  }
}
