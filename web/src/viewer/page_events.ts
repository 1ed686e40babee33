// Events between the page and the viewer, the same whether the viewer is in the page or on the second screen.
import type { Box } from "./display";
import { fetchDisplay } from "./display";
import type { Frames } from "./frames";
import type { MarkWish } from "./marks";
import type { OwnMark } from "./overlay";
import type { Viewer } from "./viewer";

/** Events of the page that a viewer follows; `dr:case` and `dr:no-case` are the window's own business. */
export const PAGE_EVENTS = ["dr:draw-mark", "dr:marks", "dr:show-region", "dr:prefetch"] as const;

/** Does what an event of the page asks of a viewer. */
export function follow(viewer: Viewer, frames: Frames, name: string, detail: unknown): void {
  switch (name) {
    case "dr:draw-mark":
      viewer.drawMark(detail as MarkWish);
      break;
    case "dr:marks":
      viewer.setMarks((detail as { marks: OwnMark[] }).marks);
      break;
    case "dr:show-region":
      viewer.point(detail as Box & { sop_instance_uid?: string });
      break;
    case "dr:prefetch":
      void prefetch(frames, (detail as { displays: string[] }).displays);
      break;
  }
}

/** Loads the images of cases to come, first stages first, and takes back what was to come before and is no more. */
export async function prefetch(frames: Frames, urls: string[]): Promise<void> {
  const wanted = new Set<string>();
  const loads: (() => void)[] = [];
  for (const url of urls) {
    const display = await fetchDisplay(url).catch(() => null);
    if (!display) continue;
    const first = new Set(display.stages[0]?.tiles.map((tile) => tile.image));
    const images = Object.entries(display.images).sort(([a], [b]) => Number(first.has(b)) - Number(first.has(a)));
    for (const [uid, image] of images) {
      wanted.add(uid);
      loads.push(() => void frames.load(uid, image.pixels, true).catch(() => undefined));
    }
  }
  frames.forgetWishes(wanted);
  loads.forEach((load) => load());
}
