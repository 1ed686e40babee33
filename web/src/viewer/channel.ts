// What the main window and the window on the second screen say to each other (BroadcastChannel, this browser only).
// Main windows ("desks") and second screens carry numbers, so that two of either never mix.
import type { RemoteAction } from "../keys";

/** How often each side says that it is there, in milliseconds. */
export const BEAT_MS = 1000;
/** Silence after which the other side counts as gone, in milliseconds. */
export const SILENCE_MS = 3500;

/** What a desk says. */
export type DeskSaid =
  /** The case in view, or none; said again at every beat. */
  | { kind: "case"; caseId: string | null; display: string | null }
  /** An event of the page for the viewer. */
  | { kind: "event"; name: string; detail: unknown }
  /** The keys that the desk takes. */
  | { kind: "keys"; actions: RemoteAction[]; choices: Record<string, string> }
  /** A key of the viewer that was pressed at the desk. */
  | { kind: "run"; id: string }
  /** The page is left. */
  | { kind: "bye" }
  /** The second screen is not wanted any more. */
  | { kind: "close" };

/** What a second screen says. */
export type ScreenSaid =
  | { kind: "here" }
  | { kind: "event"; name: string; detail: unknown }
  | { kind: "run"; id: string }
  | { kind: "gone" };

type Envelope = { from: "desk"; desk: string; said: DeskSaid } | { from: "screen"; desk: string; said: ScreenSaid };

const NAME = "doubleread-viewer";
const DESK_KEY = "doubleread-desk";

/** The number of this main window, the same from page to page in its tab. */
export function deskNumber(): string {
  let number = sessionStorage.getItem(DESK_KEY);
  if (!number) {
    number = crypto.randomUUID();
    sessionStorage.setItem(DESK_KEY, number);
  }
  return number;
}

/** The channel as a desk uses it. */
export function asDesk(desk: string, heard: (said: ScreenSaid) => void): (said: DeskSaid) => void {
  const channel = new BroadcastChannel(NAME);
  channel.onmessage = ({ data }: MessageEvent<Envelope>) => {
    if (data.from === "screen" && data.desk === desk) heard(data.said);
  };
  return (said) => channel.postMessage({ from: "desk", desk, said } satisfies Envelope);
}

/** The channel as a second screen uses it. */
export function asScreen(heard: (desk: string, said: DeskSaid) => void): (desk: string, said: ScreenSaid) => void {
  const channel = new BroadcastChannel(NAME);
  channel.onmessage = ({ data }: MessageEvent<Envelope>) => {
    if (data.from === "desk") heard(data.desk, data.said);
  };
  return (desk, said) => channel.postMessage({ from: "screen", desk, said } satisfies Envelope);
}
