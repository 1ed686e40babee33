// The magnifier: a round piece of the image at its full depth and size, whatever the zoom of the tile.
import type { LoadedFrame } from "./frame";
import { greyOf, type Look } from "./greys";
import { axesOf, type Point, type View } from "./view";

/** Across, in CSS pixels. */
const ACROSS = 280;
/** Screen pixels for the width of a stored pixel; more where the tile is zoomed in already. */
const LEAST_SCALE = 1;
/** How much larger than in the tile. */
const GAIN = 2.5;

/** The magnifier of one tile. */
export class Lens {
  readonly element = document.createElement("canvas");

  constructor() {
    this.element.className = "dr-tile__lens";
    this.element.hidden = true;
    this.element.setAttribute("aria-hidden", "true");
  }

  hide(): void {
    this.element.hidden = true;
  }

  /** Shows the image around a place of it, over a place of the tile. */
  show(frame: LoadedFrame, look: Look, inverted: boolean, view: View, image: Point, tile: Point): void {
    const ratio = window.devicePixelRatio || 1;
    const size = Math.round(ACROSS * ratio);
    if (this.element.width !== size) this.element.width = this.element.height = size;
    this.element.style.left = `${tile.x - ACROSS / 2}px`;
    this.element.style.top = `${tile.y - ACROSS / 2}px`;
    this.element.hidden = false;
    const scale = Math.max(LEAST_SCALE, view.scale * ratio * GAIN);
    const pen = this.element.getContext("2d");
    if (!pen) return;
    const picture = pen.createImageData(size, size);
    paint(picture.data, size, frame, greyOf(frame, look, inverted), view, image, scale);
    pen.putImageData(picture, 0, 0);
  }
}

function paint(
  out: Uint8ClampedArray,
  size: number,
  frame: LoadedFrame,
  grey: (stored: number) => number,
  view: View,
  middle: Point,
  scale: number,
): void {
  const { columns, rows, values } = frame.levels[0]!;
  const { a, b, c, d } = axesOf(view);
  const known = new Map<number, number>();
  const greyAt = (column: number, row: number): number => {
    const x = Math.min(columns - 1, Math.max(0, column));
    const y = Math.min(rows - 1, Math.max(0, row));
    const stored = values[y * columns + x]!;
    let found = known.get(stored);
    if (found === undefined) {
      found = grey(stored);
      known.set(stored, found);
    }
    return found;
  };
  for (let down = 0; down < size; down += 1) {
    for (let across = 0; across < size; across += 1) {
      const tx = (across + 0.5 - size / 2) / scale;
      const ty = (down + 0.5 - size / 2) / scale;
      const x = middle.x + a * tx + b * ty - 0.5;
      const y = middle.y + (c * tx + d * ty) / view.aspect - 0.5;
      const at = (down * size + across) * 4;
      out[at + 3] = 255;
      if (x < -0.5 || y < -0.5 || x > columns - 0.5 || y > rows - 0.5) continue;
      const [column, row] = [Math.floor(x), Math.floor(y)];
      const [right, lower] = [x - column, y - row];
      const upper = greyAt(column, row) * (1 - right) + greyAt(column + 1, row) * right;
      const under = greyAt(column, row + 1) * (1 - right) + greyAt(column + 1, row + 1) * right;
      out[at] = out[at + 1] = out[at + 2] = upper * (1 - lower) + under * lower;
    }
  }
}
