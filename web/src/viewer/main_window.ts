// The viewer in the main window: follows the page's events, and hands over to a window on the second screen where
// there is one.
import { keys } from "../keys";
import { addActions } from "./actions";
import { asDesk, BEAT_MS, deskNumber, SILENCE_MS, type ScreenSaid } from "./channel";
import type { Frames } from "./frames";
import { follow, PAGE_EVENTS } from "./page_events";
import { openSecondScreen } from "./second_screen";
import { Viewer } from "./viewer";

/** A case as the page names it. */
interface Shown {
  caseId: string | null;
  display: string | null;
}

/** Puts a viewer on an element of the page. */
export function mount(place: HTMLElement, frames: Frames): void {
  new MainWindow(place, frames);
}

class MainWindow {
  private readonly viewer: Viewer;
  private readonly tell: ReturnType<typeof asDesk>;
  private readonly panel: HTMLElement;
  private readonly own = document.createElement("div");
  private shown: Shown = { caseId: null, display: null };
  private marks: unknown = null;
  private heardAt = -Infinity;
  private bothWindows = false;

  constructor(place: HTMLElement, private readonly frames: Frames) {
    this.own.className = "dr-viewer__own";
    this.panel = this.elsewherePanel();
    place.replaceChildren(this.own, this.panel);
    this.viewer = new Viewer(this.own, frames, (name, detail) => dispatch(name, detail));
    this.tell = asDesk(deskNumber(), (said) => this.heard(said));
    addActions(this.viewer, () => this.secondScreen(), () => (this.away ? (id) => this.tell({ kind: "run", id }) : null));
    this.listen();
    // The page's root says what is open now: it may have been swapped before this script was there to hear of it.
    const url = document.getElementById("desk")?.dataset["display"] ?? place.dataset["display"];
    if (url) this.show({ caseId: caseOf(url), display: url });
    this.beat();
    setInterval(() => this.beat(), BEAT_MS);
  }

  /** Whether a second screen is there. */
  private get second(): boolean {
    return performance.now() - this.heardAt < SILENCE_MS;
  }

  /** Whether the images are shown there only. */
  private get away(): boolean {
    return this.second && !this.bothWindows;
  }

  private listen(): void {
    on("dr:case", (detail) => this.show(detail as Shown));
    on("dr:no-case", () => this.show({ caseId: null, display: null }));
    for (const name of PAGE_EVENTS) {
      on(name, (detail) => {
        if (name === "dr:marks") this.marks = detail;
        if (!this.away) follow(this.viewer, this.frames, name, detail);
        if (this.second) this.tell({ kind: "event", name, detail });
      });
    }
    keys.onChange(() => this.tellKeys());
    addEventListener("pagehide", () => this.tell({ kind: "bye" }));
    addEventListener("pageshow", () => this.beat());
  }

  private show(shown: Shown): void {
    if (shown.caseId !== this.shown.caseId) this.marks = null;
    this.shown = shown;
    this.tell({ kind: "case", ...shown });
    if (this.away) return;
    if (shown.display) void this.viewer.show(shown.display);
    else this.viewer.clear();
  }

  private beat(): void {
    this.tell({ kind: "case", ...this.shown });
    this.arrange();
  }

  /** Images here or there, as it is now. */
  private arrange(): void {
    const { away } = this;
    const changed = this.own.hidden !== away;
    document.body.classList.toggle("dr-second-screen", away);
    this.own.hidden = away;
    this.panel.hidden = !away;
    if (!changed) return;
    if (away) this.viewer.clear();
    else if (this.shown.display) {
      void this.viewer.show(this.shown.display);
      if (this.marks) follow(this.viewer, this.frames, "dr:marks", this.marks);
    }
  }

  private heard(said: ScreenSaid): void {
    switch (said.kind) {
      case "here":
        if (!this.second) {
          this.tellKeys();
          this.tell({ kind: "case", ...this.shown });
          if (this.marks) this.tell({ kind: "event", name: "dr:marks", detail: this.marks });
        }
        this.heardAt = performance.now();
        this.arrange();
        break;
      case "gone":
        this.heardAt = -Infinity;
        this.arrange();
        break;
      case "run":
        keys.run(said.id);
        break;
      case "event":
        if (said.name === "dr:mark") this.viewer.marks.taken();
        dispatch(said.name, said.detail as object);
        break;
    }
  }

  private tellKeys(): void {
    const actions = keys.list().filter((action) => !action.id.startsWith("viewer."));
    this.tell({ kind: "keys", actions, choices: keys.choices() });
  }

  /** Opens the window on the second screen, or closes it. */
  private secondScreen(): void {
    if (this.second) {
      this.tell({ kind: "close" });
      return;
    }
    this.bothWindows = false;
    openSecondScreen();
  }

  private elsewherePanel(): HTMLElement {
    const panel = document.createElement("div");
    panel.className = "dr-viewer__elsewhere";
    panel.hidden = true;
    const words = document.createElement("p");
    words.textContent = "The images are on the second screen.";
    panel.append(words, this.button("Show them here too", () => {
      this.bothWindows = true;
      this.arrange();
    }), this.button("Close the second screen", () => this.tell({ kind: "close" })));
    return panel;
  }

  private button(words: string, run: () => void): HTMLButtonElement {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "dr-bar__button";
    made.textContent = words;
    made.addEventListener("click", run);
    return made;
  }
}

function on(name: string, does: (detail: unknown) => void): void {
  document.addEventListener(name, (event) => does((event as CustomEvent<unknown>).detail));
}

function dispatch(name: string, detail: object): void {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}

/** The case of `/api/cases/{case_id}/display`. */
function caseOf(url: string): string | null {
  return /\/cases\/([^/]+)\//.exec(url)?.[1] ?? null;
}
