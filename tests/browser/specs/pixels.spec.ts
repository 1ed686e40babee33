// Pixel truth: what stands on the screen at 1:1 is what pydicom and numpy compute, at most one grey level off.
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, test } from "../base.ts";
import { compare, makeImages, onScreen, type OnScreen, openCase } from "../images.ts";

// A claim lasts for ten minutes of the room's clock.
test.use({ roomOptions: { deadMs: 0, pace: 1 } });

/** The image that is shown alone, pixel for pixel, as it stands on the screen. */
async function pixelForPixel(page: Page): Promise<{ uid: string; on: OnScreen }> {
  const tile = page.locator(".dr-tile:visible");
  await expect(tile).toHaveCount(1);
  await page.keyboard.press("o");
  await expect(tile).toHaveAttribute("data-place", /^1 /);
  return { uid: (await tile.getAttribute("data-image"))!, on: await onScreen(tile) };
}

test("every kind of image stands on the screen as pydicom computes it, at most one grey level off", async ({ room, signIn }) => {
  const { folder, expected } = makeImages();
  expect(expected.size).toBeGreaterThanOrEqual(12);
  await room.person("anna", "reader");
  const files = [...expected.values()].map((one) => join(folder, one.file));
  const { case_id } = await room.study({ seed: 1, pathway: "chest", policy: "chest-verify", files });
  const page = await signIn("anna");
  await openCase(page, case_id);
  await page.keyboard.press("1");
  const found: string[] = [];
  const seen = new Set<string>();
  for (let at = 0; at < expected.size; at += 1) {
    const { uid, on } = await pixelForPixel(page);
    await page.keyboard.press("j");
    seen.add(uid);
    const one = expected.get(uid)!;
    const { worst, compared } = compare(on, one);
    const said = `${one.kind}: ${compared} pixels, at most ${worst} grey levels off`;
    console.log(said);
    if (worst > 1 || compared !== one.columns * one.rows || on.coloured > 0) found.push(said);
  }
  expect(found).toEqual([]);
  expect(seen.size).toBe(expected.size);
});
