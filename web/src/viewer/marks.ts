// Marks that the reader draws: which one is asked for now, and those that the page holds.
import type { Emit } from "./viewer";
import { boxOf, type OwnMark } from "./overlay";
import type { Tile } from "./tile";
import type { Point } from "./view";

/** A mark that the page asks for. */
export interface MarkWish {
  id: string;
  words: string;
}

/** The marks of the case in view. */
export class Marks {
  own: OwnMark[] = [];
  private wish: MarkWish | null = null;

  constructor(private readonly emit: Emit) {}

  begin(wish: MarkWish): void {
    if (this.wish && this.wish.id !== wish.id) this.stop();
    this.wish = wish;
  }

  /** A mark was drawn on a tile, between two places of its image. */
  drawn(tile: Tile, from: Point, to: Point): void {
    const { wish } = this;
    if (!wish || !tile.uid || !tile.image) return;
    this.wish = null;
    const { x, y, width, height } = boxOf(from, to);
    const tenth = (value: number): number => Math.round(value * 10) / 10;
    const place = { x: tenth(x), y: tenth(y), width: tenth(width), height: tenth(height) };
    const { side, view } = tile.image;
    this.emit("dr:mark", { id: wish.id, sop_instance_uid: tile.uid, frame: tile.number, ...place, side, view });
  }

  /** The reader does not want the mark after all. */
  stop(): void {
    if (!this.wish) return;
    this.emit("dr:mark-cancelled", { id: this.wish.id });
    this.wish = null;
  }

  /** The mark was drawn in the other window. */
  taken(): void {
    this.wish = null;
  }

  of(uid: string | null): OwnMark[] {
    return this.own.filter((mark) => mark.sop_instance_uid === uid);
  }

  clear(): void {
    this.own = [];
    this.wish = null;
  }
}
