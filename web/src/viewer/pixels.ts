// Stored values out of the octets of a frame: sign, padding, range, and smaller sizes of the image.
import type { FrameAttributes, Level, Values } from "./frame";

/** Values of a frame, and what is known of them. */
export interface Stored {
  values: Values;
  least: number;
  greatest: number;
  padding: number | null;
}

/** No level is smaller than this on its longer side, in pixels. */
const SMALLEST_LEVEL = 256;

/** Takes octets (little endian) as stored values. Throws where there are too few. */
export function storedValues(octets: ArrayBuffer, attributes: FrameAttributes): Stored {
  const count = attributes.columns * attributes.rows;
  if (octets.byteLength < count * attributes.bytes_per_sample) throw new Error("The image is shorter than it says.");
  const values = asTyped(octets, count, attributes);
  return withoutPadding(values, attributes);
}

function asTyped(octets: ArrayBuffer, count: number, { bytes_per_sample, bits_stored, signed }: FrameAttributes): Values {
  if (bytes_per_sample === 1) {
    if (!signed) return new Uint8Array(octets, 0, count);
    return extendSign(Int16Array.from(new Uint8Array(octets, 0, count)), 16 - bits_stored);
  }
  if (!signed) return new Uint16Array(octets, 0, count);
  return extendSign(new Int16Array(octets, 0, count), 16 - bits_stored);
}

/** Samples come cut to Bits Stored: the uppermost of these bits is the sign. */
function extendSign(values: Int16Array, spare: number): Int16Array {
  if (spare <= 0) return values;
  // Assigning to the array cuts to its width, so that the sign bit stands at the top before the shift back.
  for (let at = 0; at < values.length; at += 1) {
    values[at] = values[at]! << spare;
    values[at] = values[at]! >> spare;
  }
  return values;
}

/** Finds the range of the values, and puts padding beyond its black end so that it stays black (PS3.3 C.7.5.1.1.2). */
function withoutPadding(values: Values, attributes: FrameAttributes): Stored {
  const first = attributes.pixel_padding_value;
  const limit = attributes.pixel_padding_range_limit ?? first;
  const low = first === null || limit === null ? Infinity : Math.min(first, limit);
  const high = first === null || limit === null ? -Infinity : Math.max(first, limit);
  let least = Infinity;
  let greatest = -Infinity;
  let padded = 0;
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at]!;
    if (value >= low && value <= high) {
      padded += 1;
      continue;
    }
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  if (least > greatest) [least, greatest] = [low === Infinity ? 0 : low, high === -Infinity ? 0 : high];
  if (padded === 0) return { values, least, greatest, padding: null };
  const darkIsLow = (attributes.photometric !== "MONOCHROME1") === attributes.rescale_slope >= 0;
  const { lowest, highest } = limitsOf(values);
  const padding = darkIsLow ? Math.max(lowest, least - 1) : Math.min(highest, greatest + 1);
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at]!;
    if (value >= low && value <= high) values[at] = padding;
  }
  return { values, least, greatest, padding: padding < least || padding > greatest ? padding : null };
}

function limitsOf(values: Values): { lowest: number; highest: number } {
  if (values instanceof Uint8Array) return { lowest: 0, highest: 255 };
  if (values instanceof Uint16Array) return { lowest: 0, highest: 65535 };
  return { lowest: -32768, highest: 32767 };
}

/** The image and halves of it, each pixel the mean of four of the one before: what a screen shows in small. */
export function levelsOf(values: Values, columns: number, rows: number): Level[] {
  const levels: Level[] = [{ factor: 1, columns, rows, values }];
  let last = levels[0]!;
  while (Math.max(last.columns, last.rows) >= 2 * SMALLEST_LEVEL) {
    last = half(last);
    levels.push(last);
  }
  return levels;
}

function half(level: Level): Level {
  const columns = Math.max(1, level.columns >> 1);
  const rows = Math.max(1, level.rows >> 1);
  const from = level.values;
  const to = new (from.constructor as new (length: number) => Values)(columns * rows);
  for (let row = 0; row < rows; row += 1) {
    let upper = row * 2 * level.columns;
    let lower = level.rows > 1 ? upper + level.columns : upper;
    const start = row * columns;
    for (let column = 0; column < columns; column += 1) {
      to[start + column] = (from[upper]! + from[upper + 1]! + from[lower]! + from[lower + 1]! + 2) >> 2;
      upper += 2;
      lower += 2;
    }
  }
  return { factor: level.factor * 2, columns, rows, values: to };
}
