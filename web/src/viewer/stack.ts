// The frames of one image that has several: which stands on the screen, which is wanted, which were seen, and the bar
// that says so and steps through them. Nobody may believe that they saw all of an image of which they saw a part.
import type { LoadedFrame } from "./frame";
import type { Frames } from "./frames";

/** Frames that are loaded beyond the one in view, in the way of the last step. */
const AHEAD = 4;
/** What a wheel or a touch pad has to move by for one frame, in CSS pixels. */
const WHEEL_STEP = 40;

/** What is kept of the frames of an image between stages of one case. */
export interface KeptFrames {
  at: number;
  seen: Set<number>;
}

/** What a stack needs of its tile and of the viewer. */
export interface StackOwner {
  /** Whether the tile still hangs. */
  hangs(): boolean;
  /** A frame is to stand on the screen. */
  show(frame: LoadedFrame, number: number): void;
  failed(number: number, message: string): void;
}

/** Name of a frame in memory, and its address. */
export function frameOf(uid: string, pixels: string, number: number): { key: string; url: string } {
  if (number === 1) return { key: uid, url: pixels };
  return { key: `${uid}/${number}`, url: pixels.replace(/\/frames\/1$/, `/frames/${number}`) };
}

/** The frames of one tile. */
export class Stack {
  readonly element = document.createElement("div");
  private readonly slider = document.createElement("input");
  private readonly words = document.createElement("span");
  /** What was given to the tile, and what stands on the screen since. */
  private given = 0;
  private shown = 0;
  private drawnOn: number[] = [];
  private fault = "";
  private busy = false;
  private moved = 0;

  constructor(
    readonly count: number,
    private readonly kept: KeptFrames,
    private readonly frames: Frames,
    private readonly image: { uid: string; pixels: string },
    private readonly owner: StackOwner,
  ) {
    this.element.className = "dr-tile__frames";
    this.slider.type = "range";
    this.slider.min = "1";
    this.slider.max = String(count);
    this.slider.value = String(kept.at);
    this.slider.className = "dr-bar__range";
    this.slider.setAttribute("aria-label", "Frame");
    this.slider.addEventListener("input", () => this.goTo(Number(this.slider.value)));
    // The tile around it takes drags for its own tools.
    for (const name of ["pointerdown", "dblclick"]) this.slider.addEventListener(name, (event) => event.stopPropagation());
    this.element.append(this.words, this.slider);
    this.say();
  }

  /** The frame that is wanted. */
  get wanted(): number {
    return this.kept.at;
  }

  /** Goes on or back by frames. */
  step(by: number): void {
    this.goTo(this.wanted + by);
  }

  /** Goes to a frame; the nearest where there is none of that number. */
  goTo(number: number): void {
    const to = Math.min(this.count, Math.max(1, Math.round(number)));
    const way = Math.sign(to - this.kept.at) || 1;
    this.kept.at = to;
    this.fault = "";
    this.say();
    void this.load(way);
  }

  /** Takes the way of a wheel. */
  wheel(delta: number): void {
    this.moved += delta;
    const steps = Math.trunc(this.moved / WHEEL_STEP);
    if (steps === 0) return;
    this.moved = 0;
    this.step(Math.sign(steps));
  }

  /** This frame stands on the screen. */
  painted(number: number): void {
    this.given = this.shown = number;
    this.kept.seen.add(number);
    this.say();
    if (this.wanted !== number) void this.load(1);
  }

  /** On these frames something is drawn. */
  drawn(on: number[]): void {
    this.drawnOn = on.sort((a, b) => a - b);
    this.say();
  }

  /** One frame at a time: what was passed meanwhile is left out. */
  private async load(way: number): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.owner.hangs() && this.wanted !== this.given) {
        const number = this.wanted;
        const { key, url } = frameOf(this.image.uid, this.image.pixels, number);
        const frame = await this.frames.load(key, url);
        if (!this.owner.hangs()) return;
        this.given = number;
        this.owner.show(frame, number);
      }
      this.loadAhead(way);
    } catch (error) {
      if (!this.owner.hangs()) return;
      const number = this.wanted;
      this.fault = `frame ${number} can't be shown`;
      this.kept.at = Math.max(1, this.shown);
      this.say();
      this.owner.failed(number, error instanceof Error ? error.message : "");
    } finally {
      this.busy = false;
    }
  }

  private loadAhead(way: number): void {
    for (let by = 1; by <= AHEAD; by += 1) {
      const number = this.wanted + by * way;
      if (number < 1 || number > this.count) return;
      const { key, url } = frameOf(this.image.uid, this.image.pixels, number);
      void this.frames.load(key, url, true).catch(() => undefined);
    }
  }

  private say(): void {
    const unseen = this.count - this.kept.seen.size;
    const parts = [`Frame ${this.shown || this.wanted} of ${this.count}`];
    if (this.wanted !== this.shown) parts.push(this.shown === 0 ? "loading" : `${this.wanted} is loading`);
    if (this.fault) parts.push(this.fault);
    parts.push(unseen > 0 ? `${unseen} not seen yet` : "all seen");
    const elsewhere = this.drawnOn.filter((one) => one !== this.shown);
    if (elsewhere.length > 0) parts.push(`drawn on ${elsewhere.join(", ")}`);
    const said = parts.join(" · ");
    if (this.words.textContent !== said) this.words.textContent = said;
    this.element.classList.toggle("dr-tile__frames--left", unseen > 0 || this.fault !== "");
    this.slider.value = String(this.wanted);
    this.slider.setAttribute("aria-valuetext", said);
  }
}
