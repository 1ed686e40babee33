// Codings of a frame that a browser takes: as it is, packed as HTTP has it, or as an image codec that a script unpacks
// (HTJ2K by OpenJPH, JPEG-LS by CharLS, both as WebAssembly from npm).
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

export interface Coded {
  name: string;
  /** Content-Encoding that the browser undoes by itself. */
  coding: string;
  /** What a script has to undo. */
  codec: "" | "htj2k" | "jpegls";
  bytes: Buffer;
  /** To make it, in milliseconds on one core. */
  ms: number;
  /** What has come when half the width can be shown; all of it where nothing can be shown before. */
  half: number;
}

export interface Frame {
  columns: number;
  rows: number;
  bits: number;
  /** Little endian, two octets a sample. */
  samples: Buffer;
}

const require = createRequire(import.meta.url);
const folderOf = (name: string): string => dirname(require.resolve(name));

/** Where the page gets the codecs: path, file. */
export const CODEC_FILES = new Map([
  ["/openjphjs.js", join(folderOf("@cornerstonejs/codec-openjph"), "openjphjs.js")],
  ["/openjphjs.wasm", join(folderOf("@cornerstonejs/codec-openjph"), "openjphjs.wasm")],
  ["/charlswasm_decode.js", join(folderOf("@cornerstonejs/codec-charls"), "charlswasm_decode.js")],
  ["/charlswasm_decode.wasm", join(folderOf("@cornerstonejs/codec-charls"), "charlswasm_decode.wasm")],
]);

function timed(make: () => Buffer): { bytes: Buffer; ms: number } {
  const from = performance.now();
  const bytes = make();
  return { bytes, ms: performance.now() - from };
}

/** Encodes by one of the codecs, which have one shape. */
function encoded(encoder: any, frame: Frame): { bytes: Buffer; ms: number } {
  const info = { width: frame.columns, height: frame.rows, bitsPerSample: frame.bits, componentCount: 1, isSigned: false, isUsingColorTransform: false };
  return timed(() => {
    encoder.getDecodedBuffer(info).set(frame.samples);
    encoder.encode();
    return Buffer.from(encoder.getEncodedBuffer());
  });
}

/** Octets up to the end of the tile-parts that bring all but the largest resolution: SOT markers name their lengths (ISO/IEC 15444-1, A.4.2). */
function upToHalf(codestream: Buffer): number {
  let at = codestream.indexOf(Buffer.from([0xff, 0x90]));
  let before = at;
  while (at >= 0 && codestream.readUInt16BE(at) === 0xff90) {
    before = at;
    at += codestream.readUInt32BE(at + 6);
  }
  return before;
}

/** All codings of a frame. */
export async function codings(frame: Frame): Promise<Coded[]> {
  const { samples } = frame;
  const plain = { codec: "" as const, half: NaN };
  const all: Coded[] = [
    { name: "as they are", coding: "", ...plain, bytes: samples, ms: 0 },
    { name: "gzip, level 1", coding: "gzip", ...plain, ...timed(() => gzipSync(samples, { level: 1 })) },
  ];
  const file = join(mkdtempSync(join(tmpdir(), "transfer-")), "samples");
  writeFileSync(file, samples);
  const zstd = () => spawnSync("zstd", ["-q", "-f", "-1", file, "-o", `${file}.zst`]);
  if (zstd().status === 0) all.push({ name: "Zstandard, level 1", coding: "zstd", ...plain, ...timed(() => (zstd(), readFileSync(`${file}.zst`))) });
  else console.log("zstd is missing, so its figures are");

  const openjph = await require("@cornerstonejs/codec-openjph")();
  const htj2k = new openjph.HTJ2KEncoder();
  htj2k.setQuality(true, 0);
  // Resolution by resolution, each in a tile-part of its own, so that a smaller picture can be shown first.
  htj2k.setProgressionOrder(2);
  htj2k.setTilePartDivisionsAtResolutions(true);
  const made = encoded(htj2k, frame);
  all.push({ name: "HTJ2K (OpenJPH)", coding: "", codec: "htj2k", ...made, half: upToHalf(made.bytes) });
  const charls = await require("@cornerstonejs/codec-charls")();
  all.push({ name: "JPEG-LS (CharLS)", coding: "", codec: "jpegls", half: NaN, ...encoded(new charls.JpegLSEncoder(), frame) });
  return all.map((one) => ({ ...one, half: Number.isNaN(one.half) ? one.bytes.length : one.half }));
}
