// A frame as the server sends it: stored values at their original depth, with the facts that are needed to show them.

/** A window (PS3.3 C.11.2.1.2), in modality values. */
export interface Window {
  centre: number;
  width: number;
  explanation?: string | null;
}

export type VoiFunction = "LINEAR" | "LINEAR_EXACT" | "SIGMOID";

/** The header `Doubleread-Frame`. */
export interface FrameAttributes {
  columns: number;
  rows: number;
  bytes_per_sample: number;
  bits_stored: number;
  signed: boolean;
  photometric: string;
  /** Whether the object is colour, of which the greys here are the brightness. */
  colour_reduced?: boolean;
  rescale_slope: number;
  rescale_intercept: number;
  windows: Window[];
  voi_lut_function: string;
  /** Pixel Aspect Ratio, or what the spacing comes to; null where the object says neither. */
  pixel_height_over_width?: number | null;
  pixel_padding_value: number | null;
  /** Last value of a range of padding (0028,0121). */
  pixel_padding_range_limit?: number | null;
  /** Table of greys by modality value: `entries` of `bits` bits at `url`, the first for the value `first`. */
  voi_lut: { first: number; entries: number; bits: number; url: string } | null;
}

/** Stored values in the narrowest type that holds them. */
export type Values = Uint8Array | Uint16Array | Int16Array;

/** One size of an image: the whole of it, or its mean over squares of `factor` by `factor` stored pixels. */
export interface Level {
  factor: number;
  columns: number;
  rows: number;
  values: Values;
}

/** A frame that is ready to be shown. */
export interface LoadedFrame {
  attributes: FrameAttributes;
  /** The whole image first, then halves of it. */
  levels: Level[];
  /** Least and greatest stored value, padding left out. */
  least: number;
  greatest: number;
  /** The stored value under which padding was put, which is shown black whichever way round the greys are. */
  padding: number | null;
  /** Entries of the VOI LUT; empty without one. */
  lut: Uint16Array;
  /** What it took: the answer of the server, and what came after, in milliseconds. */
  transferMs: number;
  decodeMs: number;
  /** Bytes that it takes up in memory. */
  bytes: number;
}

/** What the loading worker is asked. */
export interface FrameWish {
  id: number;
  url: string;
  priority: "high" | "low";
}

/** What it answers. */
export type FrameAnswer = { id: number; frame: LoadedFrame } | { id: number; failure: string };
