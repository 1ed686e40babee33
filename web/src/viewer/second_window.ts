// The viewer on the second screen: follows the case of one main window and covers the images as soon as it can't be
// sure that both show the same patient.
import { keys } from "../keys";
import { addActions } from "./actions";
import { asScreen, BEAT_MS, SILENCE_MS, type DeskSaid } from "./channel";
import type { Frames } from "./frames";
import { follow } from "./page_events";
import { Viewer } from "./viewer";

/** Puts the viewer of the second screen on an element of its page; `who` says whose images they are. */
export function mountSecond(place: HTMLElement, who: HTMLElement, frames: Frames): void {
  new SecondWindow(place, who, frames);
}

class SecondWindow {
  private readonly viewer: Viewer;
  private readonly tell: ReturnType<typeof asScreen>;
  private readonly cover = document.createElement("div");
  private readonly words = document.createElement("p");
  /** The main window that is followed: the one that opened this, or the first that is heard. */
  private desk: string | null = location.hash.slice(1) || null;
  private heardAt = -Infinity;
  private caseId: string | null = null;
  private display: string | null = null;
  private left = false;

  constructor(place: HTMLElement, private readonly who: HTMLElement, private readonly frames: Frames) {
    const own = document.createElement("div");
    own.className = "dr-viewer__own";
    this.cover.className = "dr-cover";
    this.cover.setAttribute("role", "alert");
    this.cover.append(this.words);
    place.replaceChildren(own, this.cover);
    this.viewer = new Viewer(own, frames, (name, detail) => this.emit(name, detail));
    addActions(this.viewer, () => window.close(), () => null);
    this.tell = asScreen((desk, said) => this.heard(desk, said));
    this.judge();
    this.beat();
    setInterval(() => this.beat(), BEAT_MS);
    addEventListener("pagehide", () => this.desk && this.tell(this.desk, { kind: "gone" }));
  }

  private beat(): void {
    if (this.desk) this.tell(this.desk, { kind: "here" });
    this.judge();
  }

  private heard(desk: string, said: DeskSaid): void {
    this.desk ??= desk;
    if (desk !== this.desk) {
      // Another main window speaks: it is followed only when the first has fallen silent.
      if (performance.now() - this.heardAt < SILENCE_MS) return;
      this.desk = desk;
    }
    this.heardAt = performance.now();
    switch (said.kind) {
      case "case":
        this.left = false;
        this.follow(said.caseId, said.display);
        break;
      case "event":
        follow(this.viewer, this.frames, said.name, said.detail);
        break;
      case "keys":
        keys.choose(said.choices);
        keys.addRemote(said.actions, (id) => this.tell(desk, { kind: "run", id }));
        break;
      case "run":
        keys.run(said.id);
        break;
      case "bye":
        this.left = true;
        break;
      case "close":
        window.close();
        break;
    }
    this.judge();
  }

  private follow(caseId: string | null, display: string | null): void {
    if (caseId === this.caseId && display === this.display) return;
    this.caseId = caseId;
    this.display = display;
    this.who.textContent = "";
    if (!display) {
      this.viewer.clear();
      return;
    }
    void this.viewer.show(display).then(() => {
      const shown = this.viewer.display;
      if (!shown || shown.case_id !== this.caseId) return;
      const { name, id, born } = shown.patient;
      const strong = document.createElement("strong");
      const bdi = document.createElement("bdi");
      bdi.textContent = name;
      strong.append(bdi);
      this.who.replaceChildren(strong, ` ${id}${born ? `, born ${born}` : ""} · case ${shown.case_id.slice(0, 8)}`);
      document.title = `${name} – images – doubleread`;
      this.judge();
    });
  }

  /** Covers the images unless this window surely shows the case of the main window. */
  private judge(): void {
    const why = this.whyNot();
    this.cover.hidden = why === null;
    if (why !== null && this.words.textContent !== why) this.words.textContent = why;
    this.viewer.root.classList.toggle("dr-viewer--covered", why !== null);
    this.who.hidden = why !== null;
    if (why !== null) document.title = "Images – doubleread";
  }

  private whyNot(): string | null {
    if (this.heardAt === -Infinity) return "Waiting for the main window. Open a case there.";
    if (this.left) return "Out of step: the main window has left the case. No images are shown until it opens one.";
    if (performance.now() - this.heardAt > SILENCE_MS) return "Out of step: the main window is closed or does not answer. No images are shown until it does.";
    if (this.caseId === null) return "No case is open in the main window.";
    if (this.viewer.display && this.viewer.display.case_id !== this.caseId) return "Out of step: the main window shows another case.";
    return null;
  }

  private emit(name: string, detail: object): void {
    if (this.desk) this.tell(this.desk, { kind: "event", name, detail });
  }
}
