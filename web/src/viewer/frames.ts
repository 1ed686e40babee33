// The frames that are in memory, and the queue of those to come: the case in view first, the next cases after it and
// only while nothing else is waited for. What was used longest ago is forgotten when the memory limit is reached.
import type { FrameAnswer, FrameWish, LoadedFrame } from "./frame";

/** Most memory that frames may take, in bytes: two cases of four large mammograms with their priors. */
const MOST_BYTES = 1_200_000_000;
/** Workers, and so frames under way at once. */
const WORKERS = 2;

interface Wish {
  uid: string;
  url: string;
  low: boolean;
  promise: Promise<LoadedFrame>;
  done: (frame: LoadedFrame) => void;
  failed: (error: Error) => void;
  /** Number of the worker and of the wish there, while it is under way. */
  under?: { worker: number; id: number };
}

/** Frames by their name: the SOP Instance UID of an image, with the number of the frame where that is not the first. */
export class Frames {
  private readonly kept = new Map<string, LoadedFrame>();
  private readonly wishes = new Map<string, Wish>();
  private readonly workers: Worker[] = [];
  private readonly pinned = new Set<string>();
  private bytes = 0;
  private nextId = 1;

  /** The frame of an image, where it is in memory. */
  get(uid: string): LoadedFrame | undefined {
    const frame = this.kept.get(uid);
    if (frame) {
      this.kept.delete(uid);
      this.kept.set(uid, frame);
    }
    return frame;
  }

  /** Loads a frame. `low`: for later; it waits for, and makes way for, what is in view. */
  load(uid: string, url: string, low = false): Promise<LoadedFrame> {
    const here = this.get(uid);
    if (here) return Promise.resolve(here);
    let wish = this.wishes.get(uid);
    if (!wish) {
      wish = { uid, url, low, ...deferred() };
      this.wishes.set(uid, wish);
    } else if (!low) wish.low = false;
    if (!low) this.makeWay();
    this.start();
    return wish.promise;
  }

  /** The images of the case in view: they are never forgotten while it is. */
  pin(uids: Iterable<string>): void {
    this.pinned.clear();
    for (const uid of uids) this.pinned.add(uid);
    this.trim();
  }

  /** Takes back what was only wished for later. */
  forgetWishes(but: ReadonlySet<string>): void {
    for (const wish of [...this.wishes.values()]) {
      if (but.has(wish.uid) || this.pinned.has(imageOf(wish.uid))) continue;
      this.cancel(wish);
      this.wishes.delete(wish.uid);
      wish.failed(new Error("no longer wanted"));
    }
  }

  /** How much is held, in bytes. */
  get size(): number {
    return this.bytes;
  }

  private start(): void {
    const waiting = [...this.wishes.values()].filter((wish) => !wish.under);
    const urgent = [...this.wishes.values()].some((wish) => !wish.low);
    for (const wish of waiting.sort((a, b) => Number(a.low) - Number(b.low))) {
      if (wish.low && urgent) return;
      const worker = this.free();
      if (worker === null) return;
      const id = this.nextId++;
      wish.under = { worker, id };
      const asked: FrameWish = { id, url: new URL(wish.url, location.href).href, priority: wish.low ? "low" : "high" };
      this.workers[worker]!.postMessage(asked);
    }
  }

  private free(): number | null {
    const busy = new Set([...this.wishes.values()].map((wish) => wish.under?.worker));
    for (let at = 0; at < WORKERS; at += 1) {
      if (busy.has(at)) continue;
      this.workers[at] ??= this.worker();
      return at;
    }
    return null;
  }

  private worker(): Worker {
    const worker = new Worker(new URL("./load.worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<FrameAnswer>) => this.answered(data);
    worker.onerror = () => this.broken(worker);
    return worker;
  }

  private answered(answer: FrameAnswer): void {
    const wish = [...this.wishes.values()].find((one) => one.under?.id === answer.id);
    if (wish) {
      if ("frame" in answer) {
        this.wishes.delete(wish.uid);
        this.keep(wish.uid, answer.frame);
        wish.done(answer.frame);
      } else {
        this.wishes.delete(wish.uid);
        wish.failed(new Error(answer.failure));
      }
    }
    this.start();
  }

  /** A worker that died takes its wish with it; the next wish gets a new one. */
  private broken(worker: Worker): void {
    const at = this.workers.indexOf(worker);
    delete this.workers[at];
    for (const wish of [...this.wishes.values()].filter((one) => one.under?.worker === at)) {
      this.wishes.delete(wish.uid);
      wish.failed(new Error("The image could not be read."));
    }
    this.start();
  }

  /** Stops what is under way for later, to begin it again when nothing is waited for. */
  private makeWay(): void {
    for (const wish of this.wishes.values()) if (wish.low) this.cancel(wish);
  }

  private cancel(wish: Wish): void {
    if (!wish.under) return;
    this.workers[wish.under.worker]?.postMessage({ cancel: wish.under.id });
    delete wish.under;
  }

  private keep(uid: string, frame: LoadedFrame): void {
    this.kept.set(uid, frame);
    this.bytes += frame.bytes;
    this.trim();
  }

  private trim(): void {
    for (const [uid, frame] of this.kept) {
      if (this.bytes <= MOST_BYTES) return;
      if (this.pinned.has(uid)) continue;
      this.kept.delete(uid);
      this.bytes -= frame.bytes;
    }
  }
}

/** The image of a frame by its name in memory (see `frameOf`). */
function imageOf(key: string): string {
  return key.split("/")[0]!;
}

function deferred(): Pick<Wish, "promise" | "done" | "failed"> {
  let done: (frame: LoadedFrame) => void = () => undefined;
  let failed: (error: Error) => void = () => undefined;
  const promise = new Promise<LoadedFrame>((resolve, reject) => {
    done = resolve;
    failed = reject;
  });
  promise.catch(() => undefined);
  return { promise, done, failed };
}
