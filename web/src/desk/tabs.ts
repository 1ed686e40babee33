// Two tabs of one reader: one of them has the case. The later one asks before it takes it over.
import { dismiss, notice } from "./notices";
import { fact, panel } from "./page";

interface Word {
  kind: "here" | "also" | "taken";
  caseId: string;
  person: string;
  from: string;
  to?: string;
}

const tab = crypto.randomUUID();
const channel = "BroadcastChannel" in window ? new BroadcastChannel("doubleread-desk") : null;
let gaveWay = false;

function say(kind: Word["kind"], caseId: string, to?: string): void {
  const word: Word = { kind, caseId, person: document.body.dataset["person"] ?? "", from: tab };
  channel?.postMessage(to ? { ...word, to } : word);
}

function inert(held: boolean): void {
  panel()?.toggleAttribute("inert", held);
}

/** Tells the other tabs which case stands here. */
export function announceCase(): void {
  gaveWay = false;
  inert(false);
  dismiss("tabs");
  if (fact("claim") && fact("case")) say("here", fact("case"));
}

export function listenToTabs(): void {
  channel?.addEventListener("message", (event: MessageEvent<Word>) => {
    const word = event.data;
    const here = fact("case");
    if (word.from === tab || word.caseId !== here || !fact("claim") || word.person !== document.body.dataset["person"]) return;
    if (word.kind === "here" && !gaveWay) say("also", here, word.from);
    else if (word.kind === "also" && word.to === tab) ask();
    else if (word.kind === "taken") giveWay();
  });
}

function ask(): void {
  inert(true);
  notice("tabs", "You have this case open in another tab.", [
    { words: "Go on here", run: takeOver },
    { words: "Leave it to the other tab", run: () => location.assign("/") },
  ]);
}

function takeOver(): void {
  gaveWay = false;
  inert(false);
  dismiss("tabs");
  say("taken", fact("case"));
}

function giveWay(): void {
  gaveWay = true;
  inert(true);
  notice("tabs", "You went on with this case in another tab.", [{ words: "Go on here instead", run: takeOver }]);
}
