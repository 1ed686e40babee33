// Lines above the images: what is to be looked at, what is being drawn, what failed; and what is only heard.
import type { Display } from "./display";

/** The lines. */
export class Notices {
  readonly element = document.createElement("div");
  private readonly line = document.createElement("p");
  private readonly open = document.createElement("div");
  private readonly heard = document.createElement("p");

  constructor() {
    this.element.className = "dr-viewer-notices";
    this.line.className = "dr-viewer-notices__line";
    this.line.setAttribute("role", "status");
    this.line.hidden = true;
    this.open.className = "dr-viewer-notices__open";
    this.open.setAttribute("role", "status");
    this.open.hidden = true;
    this.heard.className = "nhsuk-u-visually-hidden";
    this.heard.setAttribute("role", "status");
    this.element.append(this.line, this.open, this.heard);
  }

  say(words: string, colour: "" | "red" = ""): void {
    this.line.textContent = words;
    this.line.hidden = false;
    this.line.classList.toggle("dr-viewer-notices__line--red", colour === "red");
  }

  announce(words: string): void {
    this.heard.textContent = words;
  }

  clear(): void {
    this.line.hidden = true;
    this.line.textContent = "";
    this.open.hidden = true;
    this.open.replaceChildren();
  }

  /** Says which images beyond the standard views are still to be looked at (R12). */
  toOpen(display: Display, go: (uid: string) => void): void {
    const left = Object.entries(display.images).filter(([, image]) => image.must_open);
    this.open.hidden = left.length === 0;
    if (left.length === 0) {
      this.open.replaceChildren();
      return;
    }
    const words = left.length === 1 ? "1 image more than the standard views is not looked at yet:" : `${left.length} images more than the standard views are not looked at yet:`;
    const buttons = left.map(([uid, image]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "dr-bar__button";
      button.textContent = `Show ${image.label}`;
      button.addEventListener("click", () => go(uid));
      return button;
    });
    const line = document.createElement("span");
    line.textContent = words;
    this.open.replaceChildren(line, ...buttons);
  }
}
