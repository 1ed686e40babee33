// The board on which a stage of a case hangs: its tiles, which is chosen, which is enlarged, which follow one another.
import type { Display, Stage, StageTile } from "./display";
import { Tile, untouched, type Kept } from "./tile";

/** Between tiles, in CSS pixels. */
const GAP = 2;

/** Where tiles hang. */
export class Board {
  readonly element = document.createElement("div");
  tiles: Tile[] = [];
  stage: Stage | null = null;
  /** The tile that keys act on. */
  chosen: Tile | null = null;
  enlarged: Tile | null = null;
  linkedOn = true;
  private kept = new Map<string, Kept>();
  private groups: string[][] = [];
  private readonly watch = new ResizeObserver(() => this.resized());

  constructor(private readonly made: (tile: Tile) => void) {
    this.element.className = "dr-board";
    this.watch.observe(this.element);
  }

  /** Takes everything down; what was done to images of the case before is forgotten. */
  clear(): void {
    this.takeDown();
    this.kept = new Map();
    this.groups = [];
    this.stage = null;
  }

  /** Hangs a stage. */
  hang(display: Display, stage: Stage): void {
    this.takeDown();
    this.stage = stage;
    this.groups = display.linked;
    const { name } = display.patient;
    this.tiles = stage.tiles.map((hung) => this.tile(display, hung, name));
    this.element.replaceChildren(...this.tiles.map((tile) => tile.element));
    this.layOut();
    this.tiles.forEach((tile) => this.made(tile));
    this.choose(this.tiles.find((tile) => tile.uid !== null) ?? this.tiles[0] ?? null);
  }

  /** The same images, of which other things are known now. */
  refresh(display: Display): void {
    this.groups = display.linked;
    for (const tile of this.tiles) if (tile.uid !== null) tile.image = display.images[tile.uid] ?? tile.image;
  }

  /** The tiles that follow a tile, itself included. */
  linked(tile: Tile): Tile[] {
    const group = this.groups.find((uids) => tile.uid !== null && uids.includes(tile.uid));
    if (!group || !this.linkedOn) return [tile];
    return this.tiles.filter((one) => one === tile || (one.uid !== null && one.frame !== null && group.includes(one.uid)));
  }

  /** Whether any two images of the case follow one another. */
  get hasLinks(): boolean {
    return this.groups.some((group) => group.length > 1);
  }

  choose(tile: Tile | null): void {
    this.chosen = tile;
    for (const one of this.tiles) {
      one.element.classList.toggle("dr-tile--chosen", one === tile);
      if (one === tile) one.element.setAttribute("aria-current", "true");
      else one.element.removeAttribute("aria-current");
    }
  }

  /** One image alone, or all again. */
  enlarge(tile: Tile | null): void {
    this.enlarged = tile;
    for (const one of this.tiles) one.element.hidden = tile !== null && one !== tile;
    this.resized();
    if (tile) this.choose(tile);
  }

  /** The whole of every image, at one scale where their spacing is known. */
  fit(): void {
    const visible = this.tiles.filter((tile) => !tile.element.hidden && tile.frame);
    const scales = visible.map((tile) => tile.mostScale());
    const known = scales.filter((scale) => scale !== null);
    const common = known.length > 1 && known.length === scales.length ? Math.min(...known) : null;
    for (const tile of visible) {
      tile.commonScale = common;
      if (tile.fitted) tile.fit();
    }
  }

  private tile(display: Display, hung: StageTile, patient: string): Tile {
    const image = hung.image === null ? null : (display.images[hung.image] ?? null);
    let kept = hung.image === null ? undefined : this.kept.get(hung.image);
    if (!kept) {
      kept = untouched();
      if (hung.image !== null) this.kept.set(hung.image, kept);
    }
    return new Tile(hung, image, kept, patient);
  }

  /** Tiles stand at whole pixels of the screen: an image shown pixel for pixel must not be smeared over two. */
  private layOut(): void {
    const box = this.element.getBoundingClientRect();
    const columns = this.enlarged ? 1 : Math.max(1, this.stage?.columns ?? 1);
    const rows = this.enlarged ? 1 : Math.max(1, this.stage?.rows ?? 1);
    const [left, top] = [Math.ceil(box.left) - box.left, Math.ceil(box.top) - box.top];
    const width = Math.floor((box.width - left - GAP * (columns - 1)) / columns);
    const height = Math.floor((box.height - top - GAP * (rows - 1)) / rows);
    this.tiles
      .filter((tile) => !tile.element.hidden)
      .forEach(({ element }, at) => {
        element.style.left = `${left + (at % columns) * (width + GAP)}px`;
        element.style.top = `${top + Math.floor(at / columns) * (height + GAP)}px`;
        element.style.width = `${Math.max(0, width)}px`;
        element.style.height = `${Math.max(0, height)}px`;
      });
  }

  private resized(): void {
    this.layOut();
    for (const tile of this.tiles) if (!tile.element.hidden && tile.frame) tile.resized();
    this.fit();
  }

  private takeDown(): void {
    for (const tile of this.tiles) tile.close();
    this.tiles = [];
    this.chosen = null;
    this.enlarged = null;
    this.element.replaceChildren();
  }
}
