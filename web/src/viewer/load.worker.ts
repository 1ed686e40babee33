// Loads frames off the main thread: fetch, stored values, smaller sizes. One wish at a time or several; a wish can be
// taken back.
import type { FrameAnswer, FrameAttributes, FrameWish, LoadedFrame } from "./frame";
import { levelsOf, storedValues } from "./pixels";

type Asked = FrameWish | { cancel: number };

const running = new Map<number, AbortController>();
const scope = self as unknown as {
  onmessage: (event: MessageEvent<Asked>) => void;
  postMessage: (answer: FrameAnswer, transfer?: Transferable[]) => void;
};

scope.onmessage = ({ data }) => {
  if ("cancel" in data) running.get(data.cancel)?.abort();
  else void answer(data);
};

async function answer(wish: FrameWish): Promise<void> {
  const stop = new AbortController();
  running.set(wish.id, stop);
  try {
    const frame = await load(wish, stop.signal);
    const transfer = [...frame.levels.map((level) => level.values.buffer as ArrayBuffer), frame.lut.buffer as ArrayBuffer];
    scope.postMessage({ id: wish.id, frame }, transfer);
  } catch (error) {
    const failure = stop.signal.aborted ? "" : error instanceof Error ? error.message : "The image can't be loaded.";
    scope.postMessage({ id: wish.id, failure });
  } finally {
    running.delete(wish.id);
  }
}

async function load({ url, priority }: FrameWish, signal: AbortSignal): Promise<LoadedFrame> {
  const asked = performance.now();
  const options = { credentials: "same-origin", headers: { Accept: "application/octet-stream" }, priority, signal } as const;
  const response = await fetch(url, options).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new Error("The server can't be reached.");
  });
  if (!response.ok) throw new Error(await wordsOf(response));
  const attributes = JSON.parse(response.headers.get("Doubleread-Frame") ?? "null") as FrameAttributes | null;
  if (!attributes) throw new Error("The server sent an image without saying what it is.");
  const octets = await response.arrayBuffer();
  const lut = await tableOf(attributes, options);
  const arrived = performance.now();
  const stored = storedValues(octets, attributes);
  const levels = levelsOf(stored.values, attributes.columns, attributes.rows);
  const bytes = levels.reduce((sum, level) => sum + level.values.byteLength, lut.byteLength);
  const { least, greatest, padding } = stored;
  return { attributes, levels, least, greatest, padding, lut, bytes, transferMs: arrived - asked, decodeMs: performance.now() - arrived };
}

async function tableOf(attributes: FrameAttributes, options: RequestInit): Promise<Uint16Array> {
  if (!attributes.voi_lut) return new Uint16Array(0);
  const response = await fetch(attributes.voi_lut.url, options);
  if (!response.ok) throw new Error(await wordsOf(response));
  return new Uint16Array(await response.arrayBuffer());
}

/** What the server says of a refusal, in its own words where it gives some. */
async function wordsOf(response: Response): Promise<string> {
  const said: unknown = await response.json().catch(() => null);
  const words = typeof said === "object" && said !== null && "message" in said ? said.message : null;
  return typeof words === "string" && words ? words : `The image can't be had (${response.status}).`;
}
