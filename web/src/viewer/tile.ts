// One tile: an image on the screen with what lies over it, its text in the corners and its message where it can't be
// shown. Knows nothing of other tiles, tools or keys.
import type { DisplayImage, StageTile } from "./display";
import type { LoadedFrame } from "./frame";
import { asWindow, curveOf, presetsOf, type Look, type Preset } from "./greys";
import { Lens } from "./lens";
import { Overlay, type Drawn, type Length, type OwnMark } from "./overlay";
import { Screen } from "./screen";
import type { KeptFrames, Stack } from "./stack";
import { TileText } from "./tile_text";
import { fitScale, lying, placed, toImage, toTile, type Point, type Size, type View } from "./view";

/** What is kept of an image between stages of one case. */
export interface Kept {
  look: Look | null;
  inverted: boolean;
  turns: number;
  mirrored: boolean;
  lengths: Length[];
  frames: KeptFrames;
}

/** A fresh image. */
export function untouched(): Kept {
  return { look: null, inverted: false, turns: 0, mirrored: false, lengths: [], frames: { at: 1, seen: new Set() } };
}

/** Aspect ratios beyond these are slips of the pen. */
const ASPECTS = [0.1, 10] as const;

/** Height of a stored pixel over its width: by its millimetres, else by what the object says of it. */
export function aspectOf(frame: LoadedFrame, image: DisplayImage | null): number {
  const spacing = image?.spacing_mm;
  const found = spacing ? spacing[0] / spacing[1] : (frame.attributes.pixel_height_over_width ?? 1);
  return found >= ASPECTS[0] && found <= ASPECTS[1] ? found : 1;
}

/** One tile of a stage. */
export class Tile {
  readonly element = document.createElement("div");
  readonly lens = new Lens();
  readonly overlay = new Overlay();
  readonly text: TileText;
  frame: LoadedFrame | null = null;
  /** Number of that frame. */
  number = 1;
  /** Where the image has several frames. */
  stack: Stack | null = null;
  view: View = { scale: 1, aspect: 1, centre: { x: 0, y: 0 }, turns: 0, mirrored: false };
  /** Whether the view follows the tile's size (fit) or stays as the reader put it. */
  fitted = true;
  /** Given by the hanging, so that images of known spacing show at the same scale; CSS pixels for a millimetre. */
  commonScale: number | null = null;
  marks: OwnMark[] = [];
  draft: Drawn["draft"] = null;
  pointed: Drawn["pointed"] = null;
  cross: Point | null = null;
  ai: { shown: boolean; opacity: number } = { shown: true, opacity: 0.45 };
  private readonly place = document.createElement("div");
  private screen: Screen | null = null;
  private scheduled = false;
  private onPainted: (() => void) | null = null;

  constructor(
    readonly hung: StageTile,
    public image: DisplayImage | null,
    readonly kept: Kept,
    patient: string,
  ) {
    this.text = new TileText(hung, image, patient);
    this.element.className = hung.wall === null ? "dr-tile" : `dr-tile dr-tile--wall-${hung.wall}`;
    this.element.tabIndex = 0;
    if (hung.image !== null) this.element.dataset["image"] = hung.image;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-roledescription", "image");
    this.place.className = "dr-tile__screen";
    this.element.append(this.place, this.overlay.element, this.lens.element, ...this.text.elements);
    this.element.setAttribute("aria-label", this.text.name);
    if (!hung.image) this.text.say(`No ${hung.label || "image"} among the images`);
    else if (!image) this.text.say("This image is not in the list");
    else this.text.say("Loading");
  }

  /** SOP Instance UID of the image, if there is one. */
  get uid(): string | null {
    return this.image ? this.hung.image : null;
  }

  /** Size of the tile in CSS pixels. */
  get size(): Size {
    return { width: this.element.clientWidth, height: this.element.clientHeight };
  }

  /** Size of the image in stored pixels. */
  get imageSize(): Size {
    const whole = this.frame?.levels[0];
    return { width: whole?.columns ?? 1, height: whole?.rows ?? 1 };
  }

  get look(): Look | null {
    if (!this.frame) return null;
    return this.kept.look ?? this.presets()[0]?.look ?? null;
  }

  presets(): Preset[] {
    return this.frame ? presetsOf(this.frame) : [];
  }

  /** Shows a frame; `painted` is called once it stands on the screen. */
  show(frame: LoadedFrame, number: number, painted: () => void): void {
    this.frame = frame;
    this.number = number;
    this.element.dataset["loaded"] = [frame.bytes, frame.transferMs, frame.decodeMs].map(Math.round).join(" ");
    this.text.say("");
    this.text.inGrey(frame.attributes.colour_reduced === true);
    this.onPainted = painted;
    this.view = { ...this.view, aspect: aspectOf(frame, this.image), turns: this.kept.turns, mirrored: this.kept.mirrored };
    if (this.fitted) this.fit();
    else this.draw();
  }

  /** Says why there is no image. */
  fail(words: string): void {
    this.text.say(`This image can't be shown. ${words}`);
    this.element.setAttribute("aria-label", `${this.text.name}. This image can't be shown. ${words}`);
  }

  /** The whole image, at the common scale of the stage where there is one. */
  fit(): void {
    this.fitted = true;
    if (!this.frame) return;
    const fit = fitScale(this.view, this.imageSize, this.size);
    const column = this.image?.spacing_mm?.[1];
    const scale = this.commonScale !== null && column ? Math.min(this.commonScale * column, fit) : fit;
    this.view = this.laid({ ...this.view, scale });
    this.draw();
  }

  /** A view with the image against the edge at which its chest wall lies, or in the middle. */
  laid(view: View): View {
    return placed(view, this.imageSize, this.size, this.wallNow());
  }

  /** Largest common scale that this tile can bear, in CSS pixels for a millimetre; null where the spacing is unknown. */
  mostScale(): number | null {
    const column = this.image?.spacing_mm?.[1];
    if (!this.frame || !column) return null;
    return fitScale(this.view, this.imageSize, this.size) / column;
  }

  /** Puts the view as the reader wants it; some of the image always stays in the tile. */
  setView(view: View): void {
    this.fitted = false;
    const size = this.imageSize;
    const fit = fitScale(view, size, this.size);
    const least = Math.min(fit / 4, 1 / (window.devicePixelRatio || 1));
    const scale = Math.min(Math.max(view.scale, least), Math.max(fit, 16));
    const within = (value: number, most: number): number => Math.min(most, Math.max(0, value));
    this.view = { ...view, scale, centre: { x: within(view.centre.x, size.width), y: within(view.centre.y, size.height) } };
    this.kept.turns = view.turns;
    this.kept.mirrored = view.mirrored;
    this.draw();
  }

  setLook(look: Look | null): void {
    this.kept.look = look;
    this.draw();
  }

  /** The window as it can be dragged. */
  window(): Extract<Look, { kind: "window" }> | null {
    const { frame, look } = this;
    return frame && look ? asWindow(frame, look) : null;
  }

  toImage(at: Point): Point {
    return toImage(this.view, this.size, at);
  }

  toTile(at: Point): Point {
    return toTile(this.view, this.size, at);
  }

  /** After the tile got another size. */
  resized(): void {
    this.screen?.resize();
    if (this.fitted) this.fit();
    else this.draw();
  }

  /** Draws once before the next picture of the screen, however often it is asked for. */
  draw(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.drawNow();
    });
  }

  close(): void {
    this.screen?.close();
    this.screen = null;
    this.frame = null;
    this.element.remove();
  }

  /** The frames on which something is drawn. */
  private drawnOn(): number[] {
    const { image, kept, marks, ai } = this;
    const ofAi = ai.shown ? [...(image?.regions ?? []), ...(image?.heat_map ? [image.heat_map] : [])] : [];
    const all = [...(image?.marks ?? []), ...marks, ...kept.lengths, ...ofAi];
    return [...new Set(all.map(({ frame }) => frame))];
  }

  private wallNow(): "left" | "right" | null {
    const { wall } = this.hung;
    // Turned by a quarter the chest wall lies up or down; mirrored it lies at the other side.
    if (wall === null || this.view.turns % 2 === 1) return null;
    const other = this.view.mirrored !== (this.view.turns === 2);
    return other ? (wall === "left" ? "right" : "left") : wall;
  }

  private drawNow(): void {
    const { frame, look, image } = this;
    if (!frame || !look || !image || !this.element.isConnected || this.size.width === 0) return;
    this.screen ??= new Screen(this.place);
    const painted = this.onPainted;
    this.onPainted = null;
    this.screen.draw(frame, this.view, curveOf(frame, look, this.kept.inverted), painted ?? undefined);
    const { marks, draft, pointed, cross } = this;
    const drawn = { image, frame: this.number, aiShown: this.ai.shown, opacity: this.ai.opacity, marks, lengths: this.kept.lengths, draft, pointed, cross };
    this.overlay.draw(drawn, this.view, this.size);
    this.text.state(this.view, look, this.kept.inverted);
    this.stack?.drawn(this.drawnOn());
    const corner = this.toImage({ x: 0, y: 0 });
    // Which place of the image lies in the tile's upper left corner, and at which scale.
    this.element.dataset["place"] = `${this.view.scale} ${corner.x} ${corner.y}`;
  }

  /** Width of the image as it lies, in CSS pixels; for tests and the lens. */
  get lying(): Size {
    const size = lying(this.view, this.imageSize);
    return { width: size.width * this.view.scale, height: size.height * this.view.scale };
  }
}
