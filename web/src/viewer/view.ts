// How an image lies in its tile: pure geometry between stored pixels and the tile.
//
// Places in the image are in stored pixels from its upper left corner (the first pixel covers 0 to 1); places in the
// tile are in CSS pixels from its upper left corner.

export interface Point {
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** Where and how an image is shown. */
export interface View {
  /** CSS pixels for the width of a stored pixel. */
  scale: number;
  /** Height of a stored pixel over its width; 1 where pixels are square. */
  aspect: number;
  /** The place of the image that lies in the middle of the tile. */
  centre: Point;
  /** Quarter turns clockwise, 0 to 3, after the mirroring. */
  turns: number;
  /** Whether left and right of the image are exchanged. */
  mirrored: boolean;
}

/** Linear part of image to tile, without the scale: columns are where the image's x and y axes point to. */
export interface Axes {
  a: number;
  b: number;
  c: number;
  d: number;
}

const COS = [1, 0, -1, 0];
const SIN = [0, 1, 0, -1];

/** Directions of the image's axes in the tile (x right, y down). */
export function axesOf({ turns, mirrored }: Pick<View, "turns" | "mirrored">): Axes {
  const cos = COS[turns]!;
  const sin = SIN[turns]!;
  const flip = mirrored ? -1 : 1;
  return { a: flip * cos, b: flip * sin, c: -sin, d: cos };
}

/** From a place in the image to the tile. */
export function toTile(view: View, tile: Size, at: Point): Point {
  const { a, b, c, d } = axesOf(view);
  const x = (at.x - view.centre.x) * view.scale;
  const y = (at.y - view.centre.y) * view.scale * view.aspect;
  return { x: tile.width / 2 + a * x + c * y, y: tile.height / 2 + b * x + d * y };
}

/** From a place in the tile to the image. */
export function toImage(view: View, tile: Size, at: Point): Point {
  const { a, b, c, d } = axesOf(view);
  const x = (at.x - tile.width / 2) / view.scale;
  const y = (at.y - tile.height / 2) / view.scale;
  // The axes are at right angles and of length one: the inverse is the transpose.
  return { x: view.centre.x + a * x + b * y, y: view.centre.y + (c * x + d * y) / view.aspect };
}

/** The SVG matrix from image to tile. */
export function matrixOf(view: View, tile: Size): string {
  const { a, b, c, d } = axesOf(view);
  const origin = toTile(view, tile, { x: 0, y: 0 });
  const { scale } = view;
  const down = scale * view.aspect;
  return `matrix(${a * scale} ${b * scale} ${c * down} ${d * down} ${origin.x} ${origin.y})`;
}

/** Size of the image as it lies, in widths of a stored pixel. */
export function lying(view: Pick<View, "turns" | "aspect">, image: Size): Size {
  const height = image.height * view.aspect;
  return view.turns % 2 === 0 ? { width: image.width, height } : { width: height, height: image.width };
}

/** The scale at which the whole image fits into the tile. */
export function fitScale(view: Pick<View, "turns" | "aspect">, image: Size, tile: Size): number {
  const size = lying(view, image);
  return Math.min(tile.width / size.width, tile.height / size.height);
}

/** Lays the image's edge against the tile's, where a chest wall lies there; else into the middle. */
export function placed(view: View, image: Size, tile: Size, wall: "left" | "right" | null): View {
  const size = lying(view, image);
  const spare = (tile.width - size.width * view.scale) / 2;
  const shift = wall === null ? 0 : wall === "right" ? spare : -spare;
  const { a, c } = axesOf(view);
  // The centre moves against the way that the image is to move.
  const centre = { x: image.width / 2 - (a * shift) / view.scale, y: image.height / 2 - (c * shift) / (view.scale * view.aspect) };
  return { ...view, centre };
}

/** Zooms by a factor, with the place under `at` (in the tile) kept where it is. */
export function zoomed(view: View, tile: Size, factor: number, at: Point): View {
  const held = toImage(view, tile, at);
  const scale = view.scale * factor;
  const moved = toImage({ ...view, scale }, tile, at);
  return { ...view, scale, centre: { x: view.centre.x + held.x - moved.x, y: view.centre.y + held.y - moved.y } };
}

/** Moves the image by a way in the tile. */
export function panned(view: View, by: Point): View {
  const { a, b, c, d } = axesOf(view);
  const x = by.x / view.scale;
  const y = by.y / view.scale;
  return { ...view, centre: { x: view.centre.x - (a * x + b * y), y: view.centre.y - (c * x + d * y) / view.aspect } };
}

/** Mirrors what is seen, left for right, about the middle of the tile. */
export function mirroredNow(view: View): View {
  // Mirroring comes before turning, so a quarter turn the other way makes up for it.
  return { ...view, mirrored: !view.mirrored, turns: (4 - view.turns) % 4 };
}

/** Turns what is seen upside down, as a mirror below it would. */
export function flippedNow(view: View): View {
  return turned(mirroredNow(view), 2);
}

/** Turns by quarter turns clockwise about the middle of the tile. */
export function turned(view: View, quarters: number): View {
  return { ...view, turns: (((view.turns + quarters) % 4) + 4) % 4 };
}

/**
 * Pixel for pixel: edges of stored pixels on edges of the screen's. `ratio`: device pixels for a CSS pixel. Where pixels
 * are not square that goes for columns alone.
 */
export function trueToPixel(view: View, tile: Size, ratio: number): View {
  const onGrid = (centre: number, length: number): number => {
    const half = (Math.round(length * ratio) / 2) % 1;
    return Math.round(centre - half) + half;
  };
  const size = view.turns % 2 === 0 ? tile : { width: tile.height, height: tile.width };
  return { ...view, scale: 1 / ratio, centre: { x: onGrid(view.centre.x, size.width), y: onGrid(view.centre.y, size.height) } };
}

/** The letters of Patient Orientation at the four edges of the tile, once mirrored and turned. */
export function markersOf(view: View, orientation: [string, string] | null): Record<"left" | "right" | "top" | "bottom", string> {
  const none = { left: "", right: "", top: "", bottom: "" };
  if (!orientation) return none;
  const { a, b } = axesOf(view);
  const { c, d } = axesOf(view);
  const found = { ...none };
  const set = (x: number, y: number, letters: string): void => {
    const to = x > 0 ? "right" : x < 0 ? "left" : y > 0 ? "bottom" : "top";
    const from = x > 0 ? "left" : x < 0 ? "right" : y > 0 ? "top" : "bottom";
    found[to] = letters;
    found[from] = opposite(letters);
  };
  set(a, b, orientation[0]);
  set(c, d, orientation[1]);
  return found;
}

const OPPOSITES: Record<string, string> = { A: "P", P: "A", R: "L", L: "R", H: "F", F: "H" };

function opposite(letters: string): string {
  return [...letters].map((letter) => OPPOSITES[letter] ?? letter).join("");
}
