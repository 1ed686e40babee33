// From stored values to greys, exactly as PS3.3 C.11 has it: rescale, then the window function or the VOI LUT, then
// which way round (MONOCHROME1, and the reader's own choice). The same for the screen card (as nodes of a curve), the
// magnifier and the tests (as a function).
import type { LoadedFrame, VoiFunction, Window } from "./frame";

/** How the greys of an image are chosen now. Windows are in modality values. */
export type Look =
  | { kind: "window"; centre: number; width: number; function: VoiFunction }
  | { kind: "table" };

/** A choice that a reader can make, with its words. */
export interface Preset {
  words: string;
  look: Look;
}

/** A point of the curve from stored values to greys (0 black to 1 white). */
export type Node = [stored: number, grey: number];

/** Entries of the table of greys on the graphics card: enough for a narrow window in a wide range. */
const CURVE_ENTRIES = 4096;
/** Most entries that every graphics card has room for. */
const MOST_ENTRIES = 8192;
/** A step is that wide on the curve, in stored values. */
const STEP = 1e-3;
/** Nodes of a sigmoid; between them it is a straight line, at most a hundredth of a grey level off. */
const SIGMOID_NODES = 513;
/** A sigmoid is drawn so many widths to each side of its centre; beyond, greys differ by less than one in 3000. */
const SIGMOID_REACH = 2;

/** The function that an object asks for; what is unknown counts as LINEAR. */
export function functionOf(name: string): VoiFunction {
  return name === "LINEAR_EXACT" || name === "SIGMOID" ? name : "LINEAR";
}

/** Modality value of a stored value (PS3.3 C.11.1). */
export function modality(frame: LoadedFrame, stored: number): number {
  const { rescale_slope: slope, rescale_intercept: intercept } = frame.attributes;
  return stored * (slope || 1) + intercept;
}

function storedOf(frame: LoadedFrame, value: number): number {
  const { rescale_slope: slope, rescale_intercept: intercept } = frame.attributes;
  return (value - intercept) / (slope || 1);
}

/** Grey (0 to 1) of a modality value under a window. */
export function throughWindow(value: number, { centre, width }: Window, kind: VoiFunction): number {
  switch (kind) {
    case "LINEAR": {
      // PS3.3 C.11.2.1.2.1; a width of one is a threshold.
      const span = Math.max(0, width - 1);
      if (value <= centre - 0.5 - span / 2) return 0;
      if (value > centre - 0.5 + span / 2) return 1;
      return (value - (centre - 0.5)) / span + 0.5;
    }
    case "LINEAR_EXACT":
      // PS3.3 C.11.2.1.3.2.
      return Math.min(1, Math.max(0, (value - centre) / width + 0.5));
    case "SIGMOID":
      // PS3.3 C.11.2.1.3.1.
      return 1 / (1 + Math.exp((-4 * (value - centre)) / width));
  }
}

/** Grey (0 to 1) of a modality value through the VOI LUT: the first entry below it, the last above it (C.11.2.1.1). */
export function throughTable(frame: LoadedFrame, value: number): number {
  const table = frame.attributes.voi_lut;
  const { lut } = frame;
  if (!table || lut.length === 0) return 0;
  const at = Math.min(lut.length - 1, Math.max(0, Math.round(value) - table.first));
  return Math.min(1, lut[at]! / (2 ** table.bits - 1));
}

/** Whether greys run the other way round: an image of MONOCHROME1 is turned once, a reader's choice turns it again. */
export function turned(frame: LoadedFrame, inverted: boolean): boolean {
  return (frame.attributes.photometric === "MONOCHROME1") !== inverted;
}

/** The function from stored value to grey, 0 to 255. */
export function greyOf(frame: LoadedFrame, look: Look, inverted: boolean): (stored: number) => number {
  const round = turned(frame, inverted);
  return (stored) => {
    if (stored === frame.padding) return 0;
    const value = modality(frame, stored);
    const grey = look.kind === "table" ? throughTable(frame, value) : throughWindow(value, look, look.function);
    return Math.round(255 * (round ? 1 - grey : grey));
  };
}

/** A curve from stored values to greys, as the graphics card gets it: a table of `entries` between nodes. */
export interface Curve {
  nodes: Node[];
  entries: number;
}

/** The curve of {@link greyOf}: nodes with rising stored values, between them a straight line. */
export function curveOf(frame: LoadedFrame, look: Look, inverted: boolean): Curve {
  const from = Math.min(frame.least, frame.padding ?? frame.least);
  const to = Math.max(frame.greatest, frame.padding ?? frame.greatest);
  if (look.kind === "table" && to - from < MOST_ENTRIES) return eachValue(from, to, greyOf(frame, look, inverted));
  const nodes = look.kind === "table" ? tableNodes(frame) : windowNodes(frame, look);
  nodes.sort((a, b) => a[0] - b[0]);
  const round = turned(frame, inverted);
  const curve = nodes.map(([stored, grey]): Node => [stored, round ? 1 - grey : grey]);
  return {
    nodes: frame.padding === null ? curve : withPadding(curve, frame, frame.padding),
    entries: look.kind === "table" ? MOST_ENTRIES : CURVE_ENTRIES,
  };
}

/**
 * An entry of its own for each stored value, since a VOI LUT may jump from one to the next. The card looks up the middle
 * of entry k for the value from + k; the table is filled somewhere within half a value of it, hence the steps.
 */
function eachValue(from: number, to: number, grey: (stored: number) => number): Curve {
  const nodes: Node[] = [];
  for (let stored = from; stored <= to; stored += 1) {
    const level = grey(stored) / 255;
    nodes.push([stored - (stored === from ? 0.5 : 0.5 - STEP), level], [stored + (stored === to ? 0.5 : 0.5 - STEP), level]);
  }
  return { nodes, entries: to - from + 1 };
}

function windowNodes(frame: LoadedFrame, look: Extract<Look, { kind: "window" }>): Node[] {
  const node = (value: number, grey: number): Node => [storedOf(frame, value), grey];
  const { centre, width } = look;
  if (look.function === "SIGMOID") {
    const step = (2 * SIGMOID_REACH * width) / (SIGMOID_NODES - 1);
    return Array.from({ length: SIGMOID_NODES }, (_, at) => {
      const value = centre - SIGMOID_REACH * width + at * step;
      return node(value, throughWindow(value, look, "SIGMOID"));
    });
  }
  const exact = look.function === "LINEAR_EXACT";
  const middle = exact ? centre : centre - 0.5;
  const reach = Math.max(STEP, exact ? width : width - 1) / 2;
  return [node(middle - reach, 0), node(middle + reach, 1)];
}

function tableNodes(frame: LoadedFrame): Node[] {
  const first = frame.attributes.voi_lut?.first ?? 0;
  return Array.from(frame.lut, (_, at): Node => [storedOf(frame, first + at), throughTable(frame, first + at)]);
}

/** Adds the black of the padding, which lies one stored value beyond the values of the image, to one side. */
function withPadding(curve: Node[], frame: LoadedFrame, padding: number): Node[] {
  const below = padding < frame.least;
  const edge = padding + (below ? 0.5 : -0.5);
  const kept = curve.filter(([stored]) => (below ? stored > edge : stored < edge));
  const joint: Node = [edge, onCurve(curve, edge)];
  return below ? [[edge - STEP, 0], joint, ...kept] : [...kept, joint, [edge + STEP, 0]];
}

/** Grey at a stored value on a curve of nodes, level beyond its ends. */
function onCurve(curve: Node[], stored: number): number {
  const next = curve.findIndex((node) => node[0] >= stored);
  if (next === -1) return curve[curve.length - 1]?.[1] ?? 0;
  const to = curve[next]!;
  const from = curve[next - 1];
  if (!from) return to[1];
  return from[1] + ((to[1] - from[1]) * (stored - from[0])) / (to[0] - from[0]);
}

/** What a reader can choose for an image: what the object asks for first, then its whole range. */
export function presetsOf(frame: LoadedFrame): Preset[] {
  const { attributes } = frame;
  const kind = functionOf(attributes.voi_lut_function);
  const presets: Preset[] = [];
  if (frame.lut.length > 0) presets.push({ words: "Table of the image", look: { kind: "table" } });
  attributes.windows.forEach(({ centre, width, explanation }, at) => {
    const words = explanation?.trim() || (attributes.windows.length > 1 ? `Window ${at + 1} of the image` : "Window of the image");
    presets.push({ words, look: { kind: "window", centre, width, function: kind } });
  });
  const deep = attributes.bits_stored > 8;
  const present = windowOver(modality(frame, frame.least), modality(frame, frame.greatest));
  const [low, high] = possible(frame);
  const whole = windowOver(low, high);
  // Without a window of its own an 8-bit image is meant as it is; a deeper one uses a part of its range only.
  if (deep) presets.push({ words: "Values that occur", look: present });
  presets.push({ words: "Whole range", look: whole });
  return presets;
}

/** The window that has black at one modality value and white at another. */
function windowOver(a: number, b: number): Look {
  const [low, high] = a < b ? [a, b] : [b, a];
  return { kind: "window", centre: (low + high) / 2, width: Math.max(high - low, STEP), function: "LINEAR_EXACT" };
}

function possible(frame: LoadedFrame): [number, number] {
  const { bits_stored: bits, signed } = frame.attributes;
  const lowest = signed ? -(2 ** (bits - 1)) : 0;
  return [modality(frame, lowest), modality(frame, lowest + 2 ** bits - 1)];
}

/** A look as a window that can be dragged on: that of a table is the range of the values. */
export function asWindow(frame: LoadedFrame, look: Look): Extract<Look, { kind: "window" }> {
  if (look.kind === "window") return look;
  const over = windowOver(modality(frame, frame.least), modality(frame, frame.greatest));
  return over as Extract<Look, { kind: "window" }>;
}
