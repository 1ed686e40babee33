// Mouse, pen, finger and keys on one tile, turned into gestures.
import { begin, showLens, type Doing, type Gesture, type Tool } from "./gestures";
import type { Tile } from "./tile";
import { zoomed, type Point } from "./view";

/** What a tile needs of the viewer. */
export interface Desk extends Doing {
  tool(): Tool;
  enlarge(tile: Tile): void;
  select(tile: Tile): void;
  /** The tool goes back to the one before. */
  stopDrawing(): void;
}

/** One notch of a wheel, or one press of a key. */
const NOTCH = 1.15;
/** A press of an arrow moves the cross by this, in CSS pixels; with Shift by ten times. */
const STEP = 4;

/** Listens to a tile. */
export function listen(tile: Tile, desk: Desk): void {
  const { element } = tile;
  let gesture: Gesture | null = null;
  const at = (event: MouseEvent): Point => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  element.addEventListener("pointerdown", (event) => {
    desk.select(tile);
    const tool = toolFor(event, desk.tool());
    if (!tool || gesture) return;
    gesture = begin(tool, tile, at(event), desk);
    if (gesture) element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (gesture) gesture.move(at(event));
    else if (desk.tool() === "lens" && event.pointerType === "mouse") showLens(tile, at(event));
  });
  const end = (event: PointerEvent): void => {
    gesture?.end(at(event));
    gesture = null;
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", () => {
    gesture?.cancel();
    gesture = null;
  });
  element.addEventListener("pointerleave", () => {
    if (!gesture) tile.lens.hide();
  });
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  element.addEventListener("dblclick", () => desk.enlarge(tile));
  element.addEventListener("focus", () => desk.select(tile));
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const zooms = event.shiftKey || event.ctrlKey;
      // A held Shift turns the wheel of some systems to the side.
      const delta = event.deltaY || event.deltaX;
      if (tile.stack && !zooms) {
        desk.select(tile);
        tile.stack.wheel(delta);
        return;
      }
      const factor = delta < 0 ? NOTCH : 1 / NOTCH;
      desk.linked(tile).forEach((one) => one.setView(zoomed(one.view, one.size, factor, at(event))));
    },
    { passive: false },
  );
  listenToKeys(tile, desk);
}

/** Left: the tool that is chosen, with Shift the hand; middle: the hand; right: zoom. */
function toolFor(event: PointerEvent, chosen: Tool): Tool | null {
  if (event.button === 1) return "pan";
  if (event.button === 2) return "zoom";
  if (event.button !== 0) return null;
  return event.shiftKey && chosen !== "mark" ? "pan" : chosen;
}

/** While something is drawn or magnified by keys: arrows move the cross, Enter begins and ends, Escape stops. */
function listenToKeys(tile: Tile, desk: Desk): void {
  let gesture: Gesture | null = null;
  const crossed = (): Point => tile.toTile(tile.cross ?? tile.toImage({ x: tile.size.width / 2, y: tile.size.height / 2 }));
  const put = (place: Point | null): void => {
    tile.cross = place === null ? null : tile.toImage(place);
    tile.draw();
  };
  tile.element.addEventListener("blur", () => {
    gesture?.cancel();
    gesture = null;
    tile.lens.hide();
    put(null);
  });
  tile.element.addEventListener("keydown", (event) => {
    const tool = desk.tool();
    const drawn = tool === "length" || tool === "mark" || tool === "lens";
    if (!drawn || event.target !== tile.element || !tile.frame) return;
    const way = wayOf(event);
    if (way) {
      const from = crossed();
      const place = { x: from.x + way.x, y: from.y + way.y };
      put(place);
      if (tool === "lens") showLens(tile, place);
      else gesture?.move(place);
    } else if (event.key === "Enter" && tool !== "lens") {
      const place = crossed();
      put(place);
      if (gesture) {
        gesture.end(place);
        gesture = null;
      } else {
        gesture = begin(tool, tile, place, desk);
        desk.announce("Begun. Move with the arrows, Enter ends, Escape stops.");
      }
    } else if (event.key === "Escape") {
      gesture?.cancel();
      gesture = null;
      tile.lens.hide();
      put(null);
      desk.stopDrawing();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function wayOf(event: KeyboardEvent): Point | null {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const step = event.shiftKey ? STEP * 10 : STEP;
  switch (event.key) {
    case "ArrowLeft":
      return { x: -step, y: 0 };
    case "ArrowRight":
      return { x: step, y: 0 };
    case "ArrowUp":
      return { x: 0, y: -step };
    case "ArrowDown":
      return { x: 0, y: step };
    default:
      return null;
  }
}
