// The viewer: a case's stages on a board, with a bar of tools. In: a display, wishes of the page. Out: events. It holds
// nothing of a case once another is shown.
import { Board } from "./board";
import { allStages, fetchDisplay, type Box, type Display, type DisplayImage, type Stage } from "./display";
import type { LoadedFrame } from "./frame";
import type { Frames } from "./frames";
import type { Tool } from "./gestures";
import { Marks, type MarkWish } from "./marks";
import { Notices } from "./notices";
import type { OwnMark } from "./overlay";
import { listen } from "./pointer";
import { Stack, frameOf } from "./stack";
import type { Tile } from "./tile";
import { Toolbar } from "./toolbar";
import type { Point } from "./view";

/** Sends an event of the viewer to the page. */
export type Emit = (name: string, detail: object) => void;

/** The viewer on one element of a page. */
export class Viewer {
  readonly board: Board;
  readonly bar: Toolbar;
  readonly notices = new Notices();
  display: Display | null = null;
  stages: Stage[] = [];
  stageAt = 0;
  tool: Tool = "window";
  ai = { shown: true, opacity: 0.45 };
  readonly marks: Marks;
  private before: Tool = "window";
  private loading: AbortController | null = null;
  private began = 0;
  private ready = false;

  constructor(
    readonly root: HTMLElement,
    private readonly frames: Frames,
    private readonly emit: Emit,
  ) {
    this.board = new Board((tile) => this.hung(tile));
    this.marks = new Marks(emit);
    this.bar = new Toolbar(this);
    root.classList.add("dr-viewer--on");
    root.replaceChildren(this.bar.element, this.notices.element, this.board.element);
  }

  /** Shows a case. */
  async show(url: string): Promise<void> {
    this.loading?.abort();
    const loading = (this.loading = new AbortController());
    this.began = performance.now();
    this.ready = false;
    const known = this.display;
    if (!known || !url.includes(known.case_id)) this.takeDown();
    try {
      const display = await fetchDisplay(url, loading.signal);
      if (loading.signal.aborted) return;
      this.hangCase(display, known?.case_id === display.case_id);
    } catch (error) {
      if (loading.signal.aborted) return;
      this.takeDown();
      this.notices.say(error instanceof Error ? error.message : "The images can't be had.", "red");
    }
  }

  /** No case is shown. */
  clear(): void {
    this.loading?.abort();
    this.takeDown();
  }

  /** The stage by its number; does nothing where there is none. */
  goTo(at: number): void {
    const stage = this.stages[at];
    if (!stage || !this.display) return;
    this.stageAt = at;
    this.board.hang(this.display, stage);
    this.bar.update();
    this.notices.announce(`${stage.name}. ${stage.tiles.length} images.`);
  }

  /** Between the first stage and that with priors. */
  togglePriors(): void {
    const has = (stage: Stage): boolean => stage.tiles.some((tile) => tile.prior);
    const here = this.stages[this.stageAt];
    const at = here && has(here) ? 0 : this.stages.findIndex(has);
    if (at >= 0) this.goTo(at);
    else this.notices.announce("There are no earlier images.");
  }

  /** The tiles that a wish is for: the chosen one and those that follow it. */
  aimed(): Tile[] {
    const { chosen } = this.board;
    return chosen?.frame ? this.board.linked(chosen) : [];
  }

  enlarge(tile: Tile | null): void {
    this.board.enlarge(tile === null || this.board.enlarged === tile ? null : tile);
    (tile ?? this.board.chosen)?.element.focus({ preventScroll: true });
    this.bar.update();
  }

  setTool(tool: Tool): void {
    if (tool !== "mark") {
      this.before = tool;
      this.marks.stop();
    }
    this.tool = tool;
    this.board.element.dataset["tool"] = tool;
    for (const one of this.board.tiles) one.lens.hide();
    this.bar.update();
  }

  setAi(ai: Partial<{ shown: boolean; opacity: number }>): void {
    Object.assign(this.ai, ai);
    this.redraw();
    this.bar.update();
  }

  /** Everything as it was when the case came. */
  reset(): void {
    for (const tile of this.aimed()) {
      Object.assign(tile.kept, { look: null, inverted: false, turns: 0, mirrored: false, lengths: [] });
      tile.view = { ...tile.view, turns: 0, mirrored: false };
      tile.pointed = null;
      tile.fit();
    }
    this.bar.update();
  }

  /** The next mark is drawn by a drag (or a press) on an image. */
  drawMark(wish: MarkWish): void {
    this.marks.begin(wish);
    this.setTool("mark");
    this.notices.say(`Mark on the image: ${wish.words}. Drag over the place, or press on it; Escape stops.`);
    if (!this.board.element.contains(document.activeElement)) this.board.chosen?.element.focus({ preventScroll: true });
  }

  /** Stops drawing; the tool is the one before. */
  stopDrawing(): void {
    if (this.tool === "mark") this.notices.clear();
    this.setTool(this.tool === "mark" ? this.before : "window");
  }

  setMarks(marks: OwnMark[]): void {
    this.marks.own = marks;
    this.redraw();
  }

  /** Goes to a region of an image, at a stage that shows it. */
  point(box: Box & { sop_instance_uid?: string; frame?: number }): void {
    const uid = box.sop_instance_uid;
    if (uid && !this.board.tiles.some((tile) => tile.uid === uid)) {
      const at = this.stages.findIndex((stage) => stage.tiles.some((tile) => tile.image === uid));
      if (at >= 0) this.goTo(at);
    }
    const tile = this.board.tiles.find((one) => one.uid === uid) ?? this.board.chosen;
    if (!tile) return;
    tile.pointed = box;
    if (box.frame) tile.stack?.goTo(box.frame);
    this.board.choose(tile);
    tile.draw();
  }

  redraw(): void {
    for (const tile of this.board.tiles) {
      tile.ai = this.ai;
      tile.marks = this.marks.of(tile.uid);
      tile.draw();
    }
  }

  private hangCase(display: Display, same: boolean): void {
    const at = same ? this.stageAt : 0;
    const hangsAsBefore = same && JSON.stringify(this.display?.stages) === JSON.stringify(display.stages);
    if (!same) this.board.clear();
    this.display = display;
    if (hangsAsBefore) {
      // What may be drawn has changed (an opinion was locked, something was revealed): the images stay as they lie.
      this.board.refresh(display);
      this.redraw();
      this.bar.update();
      return;
    }
    this.stages = allStages(display);
    this.frames.pin(Object.keys(display.images));
    this.bar.update();
    this.notices.toOpen(display, (uid) => this.point({ sop_instance_uid: uid, x: 0, y: 0, width: 0, height: 0 }));
    this.goTo(Math.min(at, Math.max(0, this.stages.length - 1)));
    this.loadAhead(display);
  }

  /** The other stages of the case come next, so that a key shows them at once. */
  private loadAhead(display: Display): void {
    for (const [uid, image] of Object.entries(display.images)) {
      if (!this.board.tiles.some((tile) => tile.uid === uid)) void this.frames.load(uid, image.pixels, true).catch(() => undefined);
    }
  }

  private hung(tile: Tile): void {
    tile.ai = this.ai;
    tile.marks = this.marks.of(tile.uid);
    listen(tile, {
      tool: () => this.tool,
      linked: (of) => this.board.linked(of),
      enlarge: (of) => this.enlarge(of),
      select: (of) => {
        if (this.board.chosen === of) return;
        this.board.choose(of);
        this.bar.update();
      },
      stopDrawing: () => this.stopDrawing(),
      announce: (words) => this.notices.announce(words),
      markDrawn: (of, from: Point, to: Point) => {
        this.marks.drawn(of, from, to);
        this.stopDrawing();
      },
    });
    const { uid, image } = tile;
    if (uid === null || image === null) return;
    const number = image.frames > 1 ? this.stackOf(tile, uid, image) : 1;
    const { key, url } = frameOf(uid, image.pixels, number);
    this.frames.load(key, url).then(
      (frame) => {
        if (!tile.element.isConnected) return;
        tile.show(frame, number, () => this.painted(tile));
        this.board.fit();
        this.bar.update();
      },
      (error: Error) => {
        tile.fail(error.message);
        this.emit("dr:failed", { sop_instance_uid: uid, message: error.message });
      },
    );
  }

  /** Gives a tile what steps through the frames of its image; the number of the one to begin with. */
  private stackOf(tile: Tile, uid: string, { frames, pixels }: DisplayImage): number {
    const failed = (number: number, message: string): void => {
      this.emit("dr:failed", { sop_instance_uid: uid, message: `frame ${number}: ${message}` });
    };
    const hangs = (): boolean => tile.element.isConnected;
    const show = (frame: LoadedFrame, number: number): void => tile.show(frame, number, () => this.painted(tile));
    tile.stack = new Stack(frames, tile.kept.frames, this.frames, { uid, pixels }, { hangs, show, failed });
    tile.element.append(tile.stack.element);
    return tile.stack.wanted;
  }

  private painted(tile: Tile): void {
    tile.stack?.painted(tile.number);
    if (!this.ready && this.display) {
      this.ready = true;
      this.emit("dr:ready", { caseId: this.display.case_id, milliseconds: Math.round(performance.now() - this.began) });
    }
    const { uid, image } = tile;
    if (uid && image?.must_open && document.visibilityState === "visible") {
      image.must_open = false;
      this.emit("dr:opened", { sop_instance_uids: [uid] });
      if (this.display) this.notices.toOpen(this.display, (one) => this.point({ sop_instance_uid: one, x: 0, y: 0, width: 0, height: 0 }));
    }
    tile.element.dataset["painted"] = "true";
  }

  private takeDown(): void {
    this.display = null;
    this.stages = [];
    this.stageAt = 0;
    this.marks.clear();
    this.board.clear();
    this.frames.pin([]);
    this.notices.clear();
    this.setTool("window");
  }
}
