// The reading page by script: forms without page loads, keys, marks, what was typed kept, the hold on the case kept.
import { addActions } from "./actions";
import { listenToReady } from "./ahead";
import { startFinders } from "./finder";
import { guard } from "./guard";
import { beatOn } from "./heartbeat";
import { listenToMarks, showMarks } from "./marks";
import { dismiss, notice } from "./notices";
import { listenToOpened } from "./opened";
import { desk, fact, panel, told } from "./page";
import { foldRows, listenToRows } from "./rows";
import { listenToForms, listenToWords, sayRestored } from "./send";
import { listenToStart } from "./start";
import { begin, onPage } from "./swap";
import { announceCase, listenToTabs } from "./tabs";
import { restoreWords } from "./words";

/** One fold open at a time, so that the button in sight is the one that was meant. */
function listenToFolds(): void {
  document.addEventListener("toggle", (event) => {
    const fold = event.target as HTMLDetailsElement;
    if (!fold.matches?.("details[data-fold]") || !fold.open) return;
    for (const other of document.querySelectorAll<HTMLDetailsElement>("details[data-fold]")) if (other !== fold) other.open = false;
  }, true);
}

listenToStart();
if (desk()) {
  addActions();
  listenToForms();
  listenToWords();
  listenToRows();
  listenToMarks();
  listenToOpened();
  listenToReady();
  listenToTabs();
  listenToFolds();
  told<{ message?: string }>("dr:failed", ({ message }) => {
    const why = message ? ` (${message})` : "";
    notice("image", `An image can't be shown${why}. The others can still be read; where that is not enough, say so with the opinion for a repeat.`);
  });
  onPage(() => {
    dismiss("image");
    guard();
    beatOn();
    announceCase();
    if (fact("claim") && restoreWords(fact("case"))) sayRestored();
    startFinders(panel() ?? document);
    foldRows();
    showMarks();
  });
  begin();
}
