// What lies over an image: regions and heat map of the AI, marks, lengths. Drawn in SVG in places of the image, so that
// it follows zoom, pan, turn and mirroring; lines and letters keep their width on the screen.
import type { Box, DisplayImage } from "./display";
import { matrixOf, toTile, type Point, type Size, type View } from "./view";

const SVG = "http://www.w3.org/2000/svg";
/** Height of a line of text, and the gap to what it names, in CSS pixels. */
const LINE = 16;

/** A mark that the reader has drawn and not sent yet. */
export interface OwnMark extends Box {
  id: string;
  sop_instance_uid: string;
  frame: number;
  words: string;
}

/** A measured length, between two places of the image. */
export interface Length {
  from: Point;
  to: Point;
  frame: number;
}

/** Everything that is drawn over one image. */
export interface Drawn {
  image: DisplayImage;
  /** Number of the frame that is shown. */
  frame: number;
  aiShown: boolean;
  /** Of the heat map, 0 to 1. */
  opacity: number;
  marks: OwnMark[];
  lengths: Length[];
  /** What is being drawn now. */
  draft: { kind: "mark" | "length"; from: Point; to: Point } | null;
  /** A place that was jumped to. */
  pointed: Box | null;
  /** The cross that keys move, in the image. */
  cross: Point | null;
}

/** The drawing over one tile. */
export class Overlay {
  readonly element: SVGSVGElement;
  private readonly inImage: SVGGElement;
  private readonly labels: SVGGElement;

  constructor() {
    this.element = make("svg", { class: "dr-tile__overlay", "aria-hidden": "true" }) as SVGSVGElement;
    this.inImage = make("g") as SVGGElement;
    this.labels = make("g") as SVGGElement;
    this.element.append(this.inImage, this.labels);
  }

  /** Draws everything again. */
  draw(drawn: Drawn, view: View, tile: Size): void {
    this.inImage.setAttribute("transform", matrixOf(view, tile));
    const shapes: SVGElement[] = [];
    const labels: SVGElement[] = [];
    const at = (point: Point): Point => toTile(view, tile, point);
    const box = (of: Box, kind: string, words: string): void => {
      shapes.push(rectangle(of, kind));
      // The AI's words stand above its box, those of people below theirs: they often mark the same place.
      if (words) labels.push(label(cornersOf(of).map(at), words, kind, tile, kind === "ai"));
    };
    const { image } = drawn;
    const here = <T extends { frame: number }>(all: T[]): T[] => all.filter((one) => one.frame === drawn.frame);
    if (drawn.aiShown && image.heat_map?.frame === drawn.frame) shapes.push(heat(image.heat_map, drawn.opacity));
    if (drawn.aiShown) for (const region of here(image.regions ?? [])) box(region, "ai", region.words);
    for (const mark of here(image.marks ?? [])) box(mark, "read", mark.words ? `${mark.reader}: ${mark.words}` : mark.reader);
    for (const mark of here(drawn.marks)) box(mark, "own", mark.words);
    if (drawn.pointed) shapes.push(rectangle(drawn.pointed, "pointed"));
    const measured = here(drawn.lengths);
    const lengths = drawn.draft?.kind === "length" ? [...measured, drawn.draft] : measured;
    for (const length of lengths) {
      shapes.push(make("line", { x1: length.from.x, y1: length.from.y, x2: length.to.x, y2: length.to.y, class: "dr-shape dr-shape--length" }));
      labels.push(label([at(length.from), at(length.to)], lengthWords(length, image, view.aspect), "length", tile, true));
    }
    if (drawn.draft?.kind === "mark") shapes.push(rectangle(boxOf(drawn.draft.from, drawn.draft.to), "own"));
    if (drawn.cross) labels.push(cross(at(drawn.cross)));
    this.inImage.replaceChildren(...shapes);
    this.labels.replaceChildren(...labels);
  }
}

/** A length in words, with how its millimetres are meant; `aspect`: height of a pixel over its width. */
export function lengthWords({ from, to }: Pick<Length, "from" | "to">, image: Pick<DisplayImage, "spacing_mm" | "spacing_kind">, aspect: number): string {
  const across = to.x - from.x;
  const down = to.y - from.y;
  if (!image.spacing_mm) return `${Math.round(Math.hypot(across, down * aspect))} pixels only`;
  const [rowMm, columnMm] = image.spacing_mm;
  const mm = Math.hypot(across * columnMm, down * rowMm);
  const kinds = { detector: "at the detector", corrected: "corrected", calibrated: "calibrated" };
  const kind = image.spacing_kind ? kinds[image.spacing_kind] : "at the detector";
  return `${mm < 100 ? mm.toFixed(1) : mm.toFixed(0)} mm ${kind}`;
}

/** The rectangle between two places. */
export function boxOf(a: Point, b: Point): Box {
  return { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y) };
}

function cornersOf({ x, y, width, height }: Box): Point[] {
  return [{ x, y }, { x: x + width, y }, { x, y: y + height }, { x: x + width, y: y + height }];
}

function rectangle({ x, y, width, height }: Box, kind: string): SVGElement {
  return make("rect", { x, y, width, height, class: `dr-shape dr-shape--${kind}` });
}

function heat(map: { url: string } & Box, opacity: number): SVGElement {
  const { url, x, y, width, height } = map;
  return make("image", { href: url, x, y, width, height, preserveAspectRatio: "none", opacity, class: "dr-heat" });
}

/** Words above or below what they name, at the other side where there is no room; always within the tile. */
function label(around: Point[], words: string, kind: string, tile: Size, wishedAbove: boolean): SVGElement {
  const left = Math.min(...around.map((point) => point.x));
  const top = Math.min(...around.map((point) => point.y));
  const bottom = Math.max(...around.map((point) => point.y));
  const above = wishedAbove ? top - 5 > LINE : bottom + LINE > tile.height - 4;
  // About seven CSS pixels a letter at this size.
  const x = Math.max(4, Math.min(left, tile.width - words.length * 7 - 4));
  const y = Math.max(LINE, Math.min(above ? top - 5 : bottom + LINE, tile.height - 4));
  const text = make("text", { x, y, class: `dr-shape__words dr-shape__words--${kind}` });
  text.textContent = words;
  return text;
}

function cross({ x, y }: Point): SVGElement {
  return make("path", { d: `M${x - 12} ${y}h24M${x} ${y - 12}v24`, class: "dr-shape dr-shape--cross" });
}

function make(name: string, attributes: Record<string, string | number> = {}): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
