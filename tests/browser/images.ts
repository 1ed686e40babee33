// Images for tests of the viewer: files of many kinds with their greys (pixels/make.py), and what stands on the screen.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, type Locator, type Page } from "@playwright/test";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** An image of pixels/make.py. */
export interface Expected {
  kind: string;
  file: string;
  columns: number;
  rows: number;
  /** Greys row by row, base64. */
  greys: string;
}

/** An image of several frames, or of pixels that are not square. */
export interface Shape {
  uid: string;
  file: string;
  /** Greys of each frame, base64. */
  greys?: string[];
}

/** What was written. */
export interface Images {
  folder: string;
  expected: Map<string, Expected>;
  shapes: Record<"frames" | "ratio" | "spacing" | "colour", Shape>;
}

/** Writes the files into a folder of their own; needs the Python of `make peers`. */
export function makeImages(): Images {
  const folder = mkdtempSync(join(tmpdir(), "pixels-"));
  const python = join(repository, ".venv", "bin", "python");
  execFileSync(python, [join(repository, "tests", "browser", "pixels", "make.py"), folder], { stdio: "pipe" });
  const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Record<string, Expected>;
  const shapes = JSON.parse(readFileSync(join(folder, "shapes.json"), "utf8")) as Images["shapes"];
  return { folder, expected: new Map(Object.entries(expected)), shapes };
}

/** The tile of an image. */
export function tileOf(page: Page, uid: string): Locator {
  return page.locator(`.dr-tile[data-image="${uid}"]`);
}

/** Opens a case to read, and waits until all its tiles are painted. */
export async function openCase(page: Page, case_id: string): Promise<void> {
  await page.goto(`/cases/${case_id}`);
  await page.getByRole("button", { name: "Open it to read" }).click();
  await expect(page.locator(".dr-tile").first()).toBeVisible();
  await allPainted(page);
}

/** Waits until every tile that has an image is painted. */
export async function allPainted(page: Page): Promise<void> {
  await expect(page.locator(".dr-tile[data-image]:visible:not([data-painted])")).toHaveCount(0);
}

/** Waits until what was asked for stands on the screen. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))));
}

/** What stands on the canvas of a tile, and which place of the image lies in the tile's upper left corner. */
export interface OnScreen {
  /** CSS pixels for a stored pixel. */
  scale: number;
  left: number;
  top: number;
  width: number;
  height: number;
  greys: Uint8Array;
  /** Pixels that are not grey. */
  coloured: number;
}

/** Reads the canvas of a tile. */
export async function onScreen(tile: Locator): Promise<OnScreen> {
  await settled(tile.page());
  const { base64, ...rest } = await tile.evaluate((element) => {
    const canvas = element.querySelector("canvas.cornerstone-canvas") as HTMLCanvasElement;
    const copy = document.createElement("canvas");
    Object.assign(copy, { width: canvas.width, height: canvas.height });
    const pen = copy.getContext("2d", { willReadFrequently: true })!;
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, copy.width, copy.height);
    let coloured = 0;
    let text = "";
    for (let at = 0; at < data.length; at += 4) {
      text += String.fromCharCode(data[at]!);
      if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) coloured += 1;
    }
    const [scale, left, top] = (element as HTMLElement).dataset["place"]!.split(" ").map(Number) as [number, number, number];
    return { scale, left, top, width: copy.width, height: copy.height, base64: btoa(text), coloured };
  });
  return { ...rest, greys: Buffer.from(base64, "base64") };
}

/** How far a picture on the screen at 1:1 is from an image's greys: the largest difference, and how many pixels were compared. */
export function compare(on: OnScreen, { columns, rows, greys }: Pick<Expected, "columns" | "rows" | "greys">): { worst: number; compared: number } {
  const wanted = Buffer.from(greys, "base64");
  let worst = 0;
  let compared = 0;
  for (let down = 0; down < on.height; down += 1) {
    for (let across = 0; across < on.width; across += 1) {
      const column = Math.floor(on.left + across + 0.5);
      const row = Math.floor(on.top + down + 0.5);
      if (column < 0 || row < 0 || column >= columns || row >= rows) continue;
      worst = Math.max(worst, Math.abs(on.greys[down * on.width + across]! - wanted[row * columns + column]!));
      compared += 1;
    }
  }
  return { worst, compared };
}
