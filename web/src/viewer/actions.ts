// The keys of the viewer.
import { keys, type Action } from "../keys";
import { dragWindow, middle } from "./gestures";
import type { Stack } from "./stack";
import type { Tile } from "./tile";
import { flippedNow, mirroredNow, panned, trueToPixel, turned, zoomed, type Point, type View } from "./view";
import type { Viewer } from "./viewer";

const NOTCH = 1.25;
/** A press of an arrow moves the image, or drags the window, by this part of the tile. */
const NUDGE = 0.05;
const GROUP = "Images";

/** The shipped keys of the viewer, for this viewer. */
export function actionsOf(viewer: Viewer, secondScreen: () => void): Action[] {
  const shown = (): boolean => viewer.display !== null && viewer.root.offsetParent !== null;
  const stack = (): Stack | null => viewer.board.chosen?.stack ?? null;
  const hasFrames = (): boolean => shown() && stack() !== null;
  const each = (change: (tile: Tile) => void) => (): void => {
    viewer.aimed().forEach(change);
    viewer.bar.update();
  };
  const look = (change: (view: View, tile: Tile) => View) => each((tile) => tile.setView(change(tile.view, tile)));
  const nudge = (x: number, y: number) => look((view, tile) => panned(view, part(tile, x, y)));
  const drag = (x: number, y: number) => each((tile) => dragWindow(tile, part(tile, x, y)));
  const action = (id: string, key: string, words: string, run: () => void, when = shown): Action => ({ id: `viewer.${id}`, key, words, group: GROUP, run, when });
  return [
    action("priors", "p", "Earlier images and back", () => viewer.togglePriors()),
    action("next-stage", ".", "Next stage", () => viewer.goTo(viewer.stageAt + 1)),
    action("previous-stage", ",", "Stage before", () => viewer.goTo(viewer.stageAt - 1)),
    action("next-image", "j", "Next image", () => step(viewer, 1)),
    action("previous-image", "Shift+j", "Image before", () => step(viewer, -1)),
    action("next-frame", "d", "Next frame of an image that has several", () => stack()?.step(1), hasFrames),
    action("previous-frame", "Shift+d", "Frame before", () => stack()?.step(-1), hasFrames),
    ...[1, 2, 3, 4, 5, 6].map((at) => action(`image-${at}`, String(at), `Image ${at} alone, and back`, () => alone(viewer, at - 1))),
    action("back", "Escape", "Stop drawing; all images again", () => back(viewer), () => shown() && canGoBack(viewer)),
    action("tool.window", "w", "Tool: window", () => viewer.setTool("window")),
    action("tool.pan", "v", "Tool: move", () => viewer.setTool("pan")),
    action("tool.zoom", "s", "Tool: zoom", () => viewer.setTool("zoom")),
    action("tool.length", "l", "Tool: length in millimetres", () => viewer.setTool("length")),
    action("tool.lens", "y", "Tool: magnifier", () => viewer.setTool(viewer.tool === "lens" ? "window" : "lens")),
    action("preset", "q", "Next window of the image", () => nextPreset(viewer)),
    action("fit", "f", "Whole image", each((tile) => tile.fit())),
    action("one-to-one", "o", "1:1, a pixel for a pixel", look(oneToOne)),
    action("zoom-in", "+", "Larger", look((view, tile) => zoomed(view, tile.size, NOTCH, middle(tile)))),
    action("zoom-out", "-", "Smaller", look((view, tile) => zoomed(view, tile.size, 1 / NOTCH, middle(tile)))),
    action("invert", "i", "Black and white exchanged", each((tile) => {
      tile.kept.inverted = !tile.kept.inverted;
      tile.draw();
    })),
    action("turn", "e", "Turn to the right", each((tile) => turn(tile, 1))),
    action("turn-left", "Shift+e", "Turn to the left", each((tile) => turn(tile, -1))),
    action("mirror", "x", "Mirror, left for right", each((tile) => refit(tile, mirroredNow(tile.view)))),
    action("flip", "Shift+x", "Flip, top for bottom", each((tile) => refit(tile, flippedNow(tile.view)))),
    action("left", "ArrowLeft", "Move left", nudge(-1, 0)),
    action("right", "ArrowRight", "Move right", nudge(1, 0)),
    action("up", "ArrowUp", "Move up", nudge(0, -1)),
    action("down", "ArrowDown", "Move down", nudge(0, 1)),
    action("window-narrower", "Shift+ArrowLeft", "Window narrower (more contrast)", drag(-1, 0)),
    action("window-wider", "Shift+ArrowRight", "Window wider (less contrast)", drag(1, 0)),
    action("window-brighter", "Shift+ArrowUp", "Brighter", drag(0, -1)),
    action("window-darker", "Shift+ArrowDown", "Darker", drag(0, 1)),
    action("clear-lengths", "Shift+l", "Take lengths away", each((tile) => {
      tile.kept.lengths = [];
      tile.draw();
    })),
    action("link", "b", "Images follow one another, or not", () => {
      viewer.board.linkedOn = !viewer.board.linkedOn;
      viewer.bar.update();
    }, () => shown() && viewer.board.hasLinks),
    action("ai", "h", "AI on the images, shown or not", () => viewer.setAi({ shown: !viewer.ai.shown })),
    action("ai-opacity", "Shift+h", "AI's map fainter or stronger", () => viewer.setAi({ opacity: viewer.ai.opacity >= 0.85 ? 0.25 : viewer.ai.opacity + 0.2 })),
    action("reset", "0", "As it came", () => viewer.reset()),
    action("second-screen", "Shift+s", "Images on a second screen, and back", secondScreen, () => true),
  ];
}

/**
 * Adds the keys of a viewer. `elsewhere` gives what runs an action in the other window while the images are only there.
 */
export function addActions(viewer: Viewer, secondScreen: () => void, elsewhere: () => ((id: string) => void) | null): void {
  for (const action of actionsOf(viewer, secondScreen)) {
    const { id, run, when } = action;
    if (id === "viewer.second-screen") keys.add(action);
    else keys.add({ ...action, run: () => (elsewhere() ?? run)(id), when: () => elsewhere() !== null || when?.() !== false });
  }
}

function part(tile: Tile, x: number, y: number): Point {
  return { x: x * NUDGE * tile.size.width, y: y * NUDGE * tile.size.height };
}

/** A pixel of the image on a pixel of the screen; from the whole image to where its chest wall lies. */
function oneToOne(view: View, tile: Tile): View {
  const ratio = window.devicePixelRatio || 1;
  return trueToPixel(tile.fitted ? tile.laid({ ...view, scale: 1 / ratio }) : view, tile.size, ratio);
}

/** A turned or mirrored image fits again where it did before. */
function refit(tile: Tile, view: View): void {
  const { fitted } = tile;
  tile.setView(view);
  if (fitted) tile.fit();
}

function turn(tile: Tile, quarters: number): void {
  refit(tile, turned(tile.view, quarters));
}

function step(viewer: Viewer, by: number): void {
  const { board } = viewer;
  const tiles = board.tiles;
  if (tiles.length === 0) return;
  const at = board.chosen ? tiles.indexOf(board.chosen) : -1;
  const next = tiles[(at + by + tiles.length) % tiles.length]!;
  if (board.enlarged) board.enlarge(next);
  next.element.focus({ preventScroll: true });
}

function alone(viewer: Viewer, at: number): void {
  const tile = viewer.board.tiles[at];
  if (tile) viewer.enlarge(tile);
}

function canGoBack(viewer: Viewer): boolean {
  return viewer.tool === "mark" || viewer.board.enlarged !== null || viewer.tool === "lens" || viewer.tool === "length";
}

function back(viewer: Viewer): void {
  if (viewer.tool === "window" || (viewer.board.enlarged && viewer.tool !== "mark")) viewer.enlarge(null);
  else viewer.stopDrawing();
}

function nextPreset(viewer: Viewer): void {
  const presets = viewer.board.chosen?.presets() ?? [];
  const look = JSON.stringify(viewer.board.chosen?.look);
  const at = presets.findIndex((preset) => JSON.stringify(preset.look) === look);
  const next = presets[(at + 1) % Math.max(1, presets.length)];
  if (!next) return;
  for (const tile of viewer.aimed()) {
    const own = tile.presets().find((preset) => preset.words === next.words);
    if (own) tile.setLook(own.look);
  }
  viewer.notices.announce(next.words);
  viewer.bar.update();
}
