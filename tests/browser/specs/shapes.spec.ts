// Images of several frames, pixels that are not square, and images turned upside down.
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, test } from "../base.ts";
import { compare, makeImages, onScreen, type OnScreen, openCase, settled, tileOf } from "../images.ts";
import { lookAtIt } from "../reading.ts";

test.use({ roomOptions: { deadMs: 0, pace: 1 } });

/** A case of one image of pixels/make.py, open, its reader and its tile. */
async function caseOf(room: any, signIn: any, name: "frames" | "ratio" | "spacing" | "colour") {
  const { folder, shapes } = makeImages();
  const shape = shapes[name];
  await room.person("anna", "reader");
  const { case_id } = await room.study({ seed: 1, pathway: "chest", policy: "chest-verify", files: [join(folder, shape.file)] });
  const page: Page = await signIn("anna");
  await openCase(page, case_id);
  return { page, case_id, shape, tile: tileOf(page, shape.uid) };
}

/** The largest difference of the picture on the screen from greys of 160 x 120. */
function worst(on: OnScreen, greys: string): number {
  const found = compare(on, { columns: 160, rows: 120, greys });
  expect(found.compared).toBe(160 * 120);
  return found.worst;
}

/** The box around what is brighter than a grey, in pixels of the screen. */
function bright(on: OnScreen, above: number): { left: number; top: number; width: number; height: number } {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  for (let down = 0; down < on.height; down += 1) {
    for (let across = 0; across < on.width; across += 1) {
      if (on.greys[down * on.width + across]! <= above) continue;
      left = Math.min(left, across);
      right = Math.max(right, across + 1);
      top = Math.min(top, down);
      bottom = Math.max(bottom, down + 1);
    }
  }
  return { left, top, width: right - left, height: bottom - top };
}

async function drag(page: Page, from: [number, number], to: [number, number]): Promise<void> {
  await page.mouse.move(...from);
  await page.mouse.down();
  await page.mouse.move((from[0] + to[0]) / 2, (from[1] + to[1]) / 2);
  await page.mouse.move(...to);
  await page.mouse.up();
}

test("an image of several frames says which one is shown and how many are not seen, and each is shown right", async ({ room, signIn }) => {
  const { page, case_id, shape, tile } = await caseOf(room, signIn, "frames");
  const said = tile.locator(".dr-tile__frames");
  await expect(said).toContainText("Frame 1 of 10 · 9 not seen yet");
  await page.keyboard.press("o");
  await expect(tile).toHaveAttribute("data-place", /^1 /);
  expect(worst(await onScreen(tile), shape.greys![0]!)).toBe(0);
  await page.keyboard.press("d");
  await expect(said).toContainText("Frame 2 of 10 · 8 not seen yet");
  expect(worst(await onScreen(tile), shape.greys![1]!)).toBe(0);
  // The wheel steps through frames; with Shift it zooms, as it does on other images.
  const box = (await tile.boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.wheel(0, 100);
  await expect(said).toContainText("Frame 3 of 10 · 7 not seen yet");
  expect(worst(await onScreen(tile), shape.greys![2]!)).toBe(0);
  await page.keyboard.down("Shift");
  await page.mouse.wheel(0, -100);
  await page.keyboard.up("Shift");
  await settled(page);
  await expect(tile).not.toHaveAttribute("data-place", /^1 /);
  await expect(said).toContainText("Frame 3 of 10");

  // A mark belongs to its frame.
  await page.keyboard.press("r");
  await page.keyboard.press("1");
  await page.keyboard.press("Escape");
  await page.keyboard.press("m");
  await drag(page, [box.x + box.width / 2 - 20, box.y + box.height / 2 - 20], [box.x + box.width / 2 + 30, box.y + box.height / 2 + 30]);
  await expect(page.locator("[data-row='1'] [data-marked]")).toHaveText("Marked on frame 3");
  await expect(tile.locator(".dr-shape--own")).toHaveCount(1);
  await page.keyboard.press("Escape");
  const slider = tile.getByLabel("Frame");
  await slider.fill("10");
  await expect(said).toContainText("Frame 10 of 10 · 6 not seen yet · drawn on 3");
  await expect(tile.locator(".dr-shape--own")).toHaveCount(0);
  await slider.press("ArrowLeft");
  await expect(said).toContainText("Frame 9 of 10");
  for (let frame = 8; frame > 3; frame -= 1) {
    await page.keyboard.press("Shift+d");
    await expect(said).toContainText(`Frame ${frame} of 10`);
  }
  await expect(said).toContainText("all seen");
  await lookAtIt(room, page);
  await page.locator("form:has(input[name=opinion][value=abnormal]) button[data-guarded]").click();
  await expect(page.locator("#toast")).toContainText(/recorded for/i);
  expect((await room.state(case_id)).reads[0].current.findings[0].mark.frame).toBe(3);
  // After the lock the mark is drawn on its frame, and nowhere else.
  await page.keyboard.press("Shift+d");
  await expect(said).toContainText("Frame 3 of 10");
  await expect(tile.locator(".dr-shape--read")).toHaveCount(1);
  await page.keyboard.press("Shift+d");
  await expect(tile.locator(".dr-shape--read")).toHaveCount(0);
});

for (const by of ["ratio", "spacing"] as const) {
  test(`pixels that are not square by their ${by} are drawn as high and as wide as they are, and marks and lengths are right`, async ({ room, signIn }) => {
    const { page, tile } = await caseOf(room, signIn, by);
    let round = bright(await onScreen(tile), 115);
    expect(round.width / round.height).toBeCloseTo(1, 1);
    expect(round.width).toBeGreaterThan(100);
    await page.keyboard.press("e");
    round = bright(await onScreen(tile), 115);
    expect(round.width / round.height).toBeCloseTo(1, 1);
    await page.keyboard.press("0");
    await settled(page);

    // A mark around the disc is a box of 80 columns and 40 rows.
    const box = (await tile.boundingBox())!;
    round = bright(await onScreen(tile), 115);
    const corner: [number, number] = [box.x + round.left, box.y + round.top];
    await page.evaluate(() => {
      document.addEventListener("dr:mark", (event) => ((window as any).mark = (event as CustomEvent).detail));
      document.dispatchEvent(new CustomEvent("dr:draw-mark", { detail: { id: "m", words: "disc" } }));
    });
    await drag(page, corner, [corner[0] + round.width, corner[1] + round.height]);
    const mark = await page.evaluate(() => (window as any).mark);
    const near = (found: number, wanted: number) => expect(Math.abs(found - wanted), `${found} for ${wanted}`).toBeLessThan(1);
    near(mark.x, 40);
    near(mark.y, 40);
    near(mark.width, 80);
    near(mark.height, 40);
    await page.evaluate((one) => document.dispatchEvent(new CustomEvent("dr:marks", { detail: { marks: [{ ...one, words: "disc" }] } })), mark);
    await settled(page);
    const drawn = (await tile.locator(".dr-shape--own").boundingBox())!;
    expect(Math.abs(drawn.width - round.width)).toBeLessThan(4);
    expect(Math.abs(drawn.height - round.height)).toBeLessThan(4);

    // A length from side to side is as long as one from top to bottom.
    await page.keyboard.press("l");
    const middle = [corner[0] + round.width / 2, corner[1] + round.height / 2] as const;
    await drag(page, [corner[0], middle[1]], [corner[0] + round.width, middle[1]]);
    await drag(page, [middle[0], corner[1]], [middle[0], corner[1] + round.height]);
    const lengths = await tile.locator(".dr-shape__words--length").allTextContents();
    expect(lengths).toHaveLength(2);
    for (const length of lengths) {
      // 80 columns of 0.2 mm, 40 rows of 0.4 mm.
      if (by === "spacing") expect(length).toMatch(/^1[56]\.\d mm/);
      else expect(length).toMatch(/^(79|80|81) pixels only/);
    }
  });
}

test("an image in colour says that it is shown in grey", async ({ room, signIn }) => {
  const { tile } = await caseOf(room, signIn, "colour");
  await expect(tile.getByText("colour image, shown in grey")).toBeVisible();
  expect((await onScreen(tile)).coloured).toBe(0);
});

test("an image is turned upside down by a key, its markers with it", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 5, pathway: "chest", policy: "chest-verify", views: ["PA"] });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  const tile = tileOf(page, made.instances[0]!);
  const letters = async () => Promise.all(["top", "right", "bottom", "left"].map((edge) => tile.locator(`.dr-tile__marker--${edge}`).innerText()));
  expect(await letters()).toEqual(["H", "L", "F", "R"]);
  const before = await onScreen(tile);
  await page.keyboard.press("Shift+X");
  await settled(page);
  expect(await letters()).toEqual(["F", "L", "H", "R"]);
  await expect(tile.locator(".dr-tile__corner--state")).toContainText("flipped");
  const after = await onScreen(tile);
  let off = 0;
  for (let down = 0; down < before.height; down += 7) {
    for (let across = 0; across < before.width; across += 7) {
      const mirrored = after.greys[(before.height - 1 - down) * after.width + across]!;
      off = Math.max(off, Math.abs(before.greys[down * before.width + across]! - mirrored));
    }
  }
  expect(off).toBeLessThanOrEqual(2);
  // Turned as well, the letters go with what is seen; reset brings everything back.
  await page.keyboard.press("e");
  await settled(page);
  expect(await letters()).toEqual(["R", "F", "L", "H"]);
  await page.keyboard.press("0");
  await settled(page);
  expect(await letters()).toEqual(["H", "L", "F", "R"]);
});
