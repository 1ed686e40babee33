// What the server says of a case's images (`GET /api/cases/{case_id}/display`): how they hang and what lies on them.
// All places are in stored pixels of the image, from its upper left corner; lengths of pixels are in millimetres.

/** A rectangle in stored pixels. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A region of the AI, where the caller's view holds it. */
export interface Region extends Box {
  frame: number;
  score: number;
  words: string;
}

/** A mark of a read that the caller's view holds. */
export interface StoredMark extends Box {
  frame: number;
  words: string;
  reader: string;
}

/** Where the AI looked: a picture laid over a part of the image. */
export interface HeatMap extends Box {
  frame: number;
  url: string;
}

/** How the millimetres of a pixel are meant (PS3.3 10.7.1.3). */
export type SpacingKind = "detector" | "corrected" | "calibrated";

/** One image of the case or of a prior. */
export interface DisplayImage {
  label: string;
  view: string | null;
  side: "right" | "left" | null;
  date: string;
  prior: boolean;
  columns: number;
  rows: number;
  frames: number;
  pixels: string;
  /** Millimetres between rows, and between columns. */
  spacing_mm: [number, number] | null;
  spacing_kind: SpacingKind | null;
  /** Patient Orientation (0020,0020): where rows and where columns point to. */
  orientation: [string, string] | null;
  must_open: boolean;
  regions?: Region[];
  heat_map?: HeatMap;
  marks?: StoredMark[];
}

/** A place of a stage. */
export interface StageTile {
  label: string;
  image: string | null;
  /** The edge of the tile at which the chest wall lies. */
  wall: "right" | "left" | null;
  note: string;
  prior: boolean;
}

/** Images that hang together. */
export interface Stage {
  name: string;
  rows: number;
  columns: number;
  tiles: StageTile[];
}

/** A case as the viewer shows it. */
export interface Display {
  case_id: string;
  pathway: "chest" | "mammo";
  synthetic: boolean;
  patient: { name: string; id: string; born: string; sex: string };
  study: { date: string; site: string; description: string };
  stages: Stage[];
  images: Record<string, DisplayImage>;
  linked: string[][];
}

const early = new Map<string, Promise<Display>>();

/** Asks for a display before anybody needs it; the first {@link fetchDisplay} of it takes the answer. */
export function fetchEarly(url: string): Promise<Display> {
  const asked = ask(url);
  asked.catch(() => undefined);
  early.set(url, asked);
  return asked;
}

/** Loads a display. Throws an Error whose message can be shown. */
export function fetchDisplay(url: string, signal?: AbortSignal): Promise<Display> {
  const asked = early.get(url);
  early.delete(url);
  return asked ?? ask(url, signal);
}

async function ask(url: string, signal?: AbortSignal): Promise<Display> {
  const answer = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" }, ...(signal ? { signal } : {}) });
  if (!answer.ok) throw new Error(`The list of images can't be had (${answer.status}).`);
  return (await answer.json()) as Display;
}

/**
 * The stages of a display, with those that its hanging leaves out: the pairs of a mammogram, large beside each other,
 * and images that no stage shows, so that none can be missed.
 */
export function allStages(display: Display): Stage[] {
  const stages = display.stages.flatMap((stage, at) => (at === 0 ? [stage, ...pairsOf(stage)] : [stage]));
  const hung = new Set(stages.flatMap((stage) => stage.tiles.map((tile) => tile.image)));
  const more = Object.entries(display.images).filter(([uid]) => !hung.has(uid));
  if (more.length === 0) return stages;
  const columns = Math.ceil(Math.sqrt(more.length));
  const tiles = more.map(([image, { label, prior }]) => ({ label, image, wall: null, note: "further image", prior }));
  return [...stages, { name: "Further images", rows: Math.ceil(more.length / columns), columns, tiles }];
}

/** Right and left of each view, from a stage that has two rows of two breasts. */
function pairsOf(stage: Stage): Stage[] {
  if (stage.rows !== 2 || stage.columns !== 2 || stage.tiles.some((tile) => tile.wall === null)) return [];
  const pairs = [stage.tiles.slice(0, 2), stage.tiles.slice(2, 4)];
  return pairs.map((tiles) => ({ name: tiles[0]?.label.slice(1) || "Pair", rows: 1, columns: 2, tiles }));
}
