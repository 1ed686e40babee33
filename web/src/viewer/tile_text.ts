// The text of a tile: who, which view and when in the corners, the letters of the directions at the edges, the state of
// window and zoom, and a message in place of an image. It lies above everything else in the tile.
import type { DisplayImage, StageTile } from "./display";
import type { Look } from "./greys";
import { markersOf, type View } from "./view";

/** Text over one tile. */
export class TileText {
  readonly elements: HTMLElement[];
  /** What the tile is called for those who hear it. */
  readonly name: string;
  private readonly message = make("p", "dr-tile__message");
  private readonly shown = make("p", "dr-tile__corner dr-tile__corner--state");
  private readonly markers: Record<"left" | "right" | "top" | "bottom", HTMLElement>;
  private readonly grey = make("p", "dr-tile__line dr-tile__line--note", "colour image, shown in grey");
  private readonly note = make("p", "dr-tile__note");

  constructor(hung: StageTile, private readonly image: DisplayImage | null, patient: string) {
    const label = hung.label || image?.label || "Image";
    // The corner over the air, not over the breast.
    const side = hung.wall === "left" ? "right" : "left";
    const corner = make("div", `dr-tile__corner dr-tile__corner--${side}`);
    const view = make("p", "dr-tile__label", label);
    if (hung.prior || image?.prior) view.append(" ", make("span", "dr-tile__prior", "PRIOR"));
    const who = make("bdi", "", patient);
    corner.append(view, wrap("p", "dr-tile__line", who), make("p", "dr-tile__line", image?.date ?? ""));
    if (hung.note && hung.note !== "missing") corner.append(make("p", "dr-tile__line dr-tile__line--note", hung.note));
    this.grey.hidden = true;
    corner.append(this.grey);
    this.shown.classList.add(`dr-tile__corner--low-${side}`);
    this.markers = {
      left: make("span", "dr-tile__marker dr-tile__marker--left"),
      right: make("span", "dr-tile__marker dr-tile__marker--right"),
      top: make("span", "dr-tile__marker dr-tile__marker--top"),
      bottom: make("span", "dr-tile__marker dr-tile__marker--bottom"),
    };
    this.message.setAttribute("role", "status");
    this.note.hidden = true;
    this.elements = [corner, this.shown, ...Object.values(this.markers), this.note, this.message];
    const parts = [label, hung.prior || image?.prior ? "prior" : "", image?.date ?? "", hung.note, hung.image ? "" : "no image"];
    this.name = parts.filter((part) => part !== "").join(", ");
  }

  /** A message in the middle; empty takes it away. */
  say(words: string): void {
    this.message.textContent = words;
    this.message.hidden = words === "";
  }

  /** A line that asks for something, such as an image still to be looked at. */
  ask(words: string): void {
    this.note.textContent = words;
    this.note.hidden = words === "";
  }

  /** Says that an image in colour is shown in grey. */
  inGrey(colour: boolean): void {
    this.grey.hidden = !colour;
  }

  /** How the image is shown now. */
  state(view: View, look: Look, inverted: boolean): void {
    const zoom = view.scale * (window.devicePixelRatio || 1);
    const grey = look.kind === "table" ? "table of the image" : `W ${number(look.width)} C ${number(look.centre)}`;
    const parts = [grey, `${Math.round(zoom * 100)} %`];
    if (inverted) parts.push("inverted");
    if (view.mirrored || view.turns !== 0) parts.push(orientationWords(view));
    this.shown.textContent = parts.join(" · ");
    const letters = markersOf(view, this.image?.orientation ?? null);
    for (const [edge, element] of Object.entries(this.markers)) element.textContent = letters[edge as keyof typeof letters];
  }
}

function orientationWords({ mirrored, turns }: View): string {
  if (mirrored && turns === 2) return "flipped";
  const turn = turns === 0 ? "" : `turned ${turns * 90}°`;
  return [mirrored ? "mirrored" : "", turn].filter((part) => part !== "").join(", ");
}

function number(value: number): string {
  return Math.abs(value) >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toPrecision(2);
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function wrap<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, ...inner: Node[]): HTMLElementTagNameMap[K] {
  const made = make(tag, className);
  made.append(...inner);
  return made;
}
