// What a press, a move and a release mean in a tile, for each tool. The same gestures come from a mouse, a pen, a
// finger, and from the keys that move the cross.
import type { Tile } from "./tile";
import { panned, zoomed, type Point } from "./view";

export type Tool = "window" | "pan" | "zoom" | "length" | "lens" | "mark";

/** What the viewer does for the gestures. */
export interface Doing {
  /** Every tile that follows this one, itself included. */
  linked(tile: Tile): Tile[];
  markDrawn(tile: Tile, from: Point, to: Point): void;
  announce(words: string): void;
}

export interface Gesture {
  move(at: Point): void;
  end(at: Point): void;
  cancel(): void;
}

/** A drag over a whole tile changes the window's width by this factor, and its centre by half the range. */
const WIDTH_PER_TILE = 8;
/** A drag of this many CSS pixels zooms by e. */
const ZOOM_DRAG = 200;
/** Shorter drags are presses, in CSS pixels. */
const PRESS = 4;
/** A mark that was only pressed, as a part of the image's longer side. */
const PRESSED_MARK = 0.04;

/** Begins what the tool does at a place of the tile (CSS pixels). */
export function begin(tool: Tool, tile: Tile, at: Point, doing: Doing): Gesture | null {
  if (!tile.frame) return null;
  switch (tool) {
    case "window":
      return dragging(at, (by) => doing.linked(tile).forEach((one) => dragWindow(one, by)));
    case "pan":
      return dragging(at, (by) => doing.linked(tile).forEach((one) => one.setView(panned(one.view, by))));
    case "zoom":
      return dragging(at, (by) => doing.linked(tile).forEach((one) => one.setView(zoomed(one.view, one.size, Math.exp(-by.y / ZOOM_DRAG), middle(one)))));
    case "length":
      return drawing(tile, "length", at, (from, to, pressed) => {
        if (pressed) return;
        tile.kept.lengths.push({ from, to, frame: tile.number });
      });
    case "mark":
      return drawing(tile, "mark", at, (from, to, pressed) => {
        const [a, b] = pressed ? around(tile, from) : [from, to];
        doing.markDrawn(tile, a, b);
      });
    case "lens":
      return lens(tile, at);
  }
}

/** Makes the window narrower or wider, and darker or brighter, by a way in the tile. */
export function dragWindow(tile: Tile, by: Point): void {
  const window = tile.window();
  if (!window || !tile.frame) return;
  const range = Math.max(1, (tile.frame.greatest - tile.frame.least) * Math.abs(tile.frame.attributes.rescale_slope || 1));
  const width = window.width * WIDTH_PER_TILE ** (by.x / tile.size.width);
  const turn = tile.frame.attributes.photometric === "MONOCHROME1" ? -1 : 1;
  const centre = window.centre + turn * (by.y / tile.size.height) * Math.min(range, window.width * 2);
  // A width under one has no meaning for LINEAR (PS3.3 C.11.2.1.2.1).
  tile.setLook({ ...window, width: Math.min(Math.max(width, 1), range * 4), centre });
}

function dragging(start: Point, moved: (by: Point) => void): Gesture {
  let last = start;
  const move = (at: Point): void => {
    moved({ x: at.x - last.x, y: at.y - last.y });
    last = at;
  };
  return { move, end: move, cancel: () => undefined };
}

function drawing(tile: Tile, kind: "mark" | "length", start: Point, done: (from: Point, to: Point, pressed: boolean) => void): Gesture {
  const from = within(tile, tile.toImage(start));
  const stop = (): void => {
    tile.draft = null;
    tile.draw();
  };
  return {
    move: (at) => {
      tile.draft = { kind, from, to: within(tile, tile.toImage(at)) };
      tile.draw();
    },
    end: (at) => {
      stop();
      done(from, within(tile, tile.toImage(at)), Math.hypot(at.x - start.x, at.y - start.y) < PRESS);
    },
    cancel: stop,
  };
}

function lens(tile: Tile, start: Point): Gesture {
  showLens(tile, start);
  return { move: (at) => showLens(tile, at), end: () => tile.lens.hide(), cancel: () => tile.lens.hide() };
}

/** Shows the magnifier at a place of the tile. */
export function showLens(tile: Tile, at: Point): void {
  const { frame, look } = tile;
  if (frame && look) tile.lens.show(frame, look, tile.kept.inverted, tile.view, tile.toImage(at), at);
}

export function middle(tile: Tile): Point {
  return { x: tile.size.width / 2, y: tile.size.height / 2 };
}

function around(tile: Tile, at: Point): [Point, Point] {
  const across = (Math.max(tile.imageSize.width, tile.imageSize.height * tile.view.aspect) * PRESSED_MARK) / 2;
  const down = across / tile.view.aspect;
  return [within(tile, { x: at.x - across, y: at.y - down }), within(tile, { x: at.x + across, y: at.y + down })];
}

function within(tile: Tile, at: Point): Point {
  const { width, height } = tile.imageSize;
  return { x: Math.min(width, Math.max(0, at.x)), y: Math.min(height, Math.max(0, at.y)) };
}
