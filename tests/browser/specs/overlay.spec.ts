// What lies over an image: the AI's heat map, shown or not and as strong as is wished, where the model looked; and the
// magnifier, which shows the image itself, larger, at the pointer.
import { expect, test } from "../base.ts";
import { onScreen, openCase, settled, tileOf } from "../images.ts";

test.use({ roomOptions: { deadMs: 0, pace: 1 } });

/** A picture of the page, as colours. */
async function picture(page: any, clip: { x: number; y: number; width: number; height: number }): Promise<{ width: number; height: number; at: (x: number, y: number) => number[] }> {
  const shot = (await page.screenshot({ clip })).toString("base64");
  const { width, height, base64 } = await page.evaluate(async (png: string) => {
    const bytes = Uint8Array.from(atob(png), (one) => one.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const pen = canvas.getContext("2d")!;
    pen.drawImage(bitmap, 0, 0);
    const { data } = pen.getImageData(0, 0, bitmap.width, bitmap.height);
    let text = "";
    for (const one of data) text += String.fromCharCode(one);
    return { width: bitmap.width, height: bitmap.height, base64: btoa(text) };
  }, shot);
  const data = Buffer.from(base64, "base64");
  return { width, height, at: (x, y) => [...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3)] };
}

const colour = ([red, , blue]: number[]): number => red! - blue!;

test("the AI's heat map lies where the model looked, comes with the reveal, goes by a key and is as strong as is wished", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 91, pathway: "chest", policy: "chest-verify", views: ["PA"] });
  const uid = made.instances[0]!;
  // A grid of 8 by 8 cells over the whole image of 416 by 512, of which one cell took part: third column, fifth row.
  const weights = Buffer.alloc(64);
  weights[4 * 8 + 2] = 255;
  const cell = { x: 2 * 52, y: 4 * 64, width: 52, height: 64 };
  await room.ai(made.case_id, {
    outcome: { result: "abnormal" }, score: 0.9,
    regions: [{ sop_instance_uid: uid, frame: 1, ...cell, score: 0.9 }],
    heat_maps: [{ sop_instance_uid: uid, frame: 1, x: 0, y: 0, width: 416, height: 512, columns: 8, rows: 8, weights: weights.toString("base64"), method: "activation" }],
  });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  await expect(page.locator(".dr-heat")).toHaveCount(0);
  await page.waitForTimeout(2_200);
  await page.keyboard.press("n");
  await page.waitForURL(/after=/);
  await page.goto(`/cases/${made.case_id}`);
  const tile = tileOf(page, uid);
  await expect(tile).toHaveAttribute("data-painted", "true");
  await page.keyboard.press("c");
  const heat = tile.locator(".dr-heat");
  await expect(heat).toHaveCount(1);
  await settled(page);
  await page.waitForLoadState("networkidle");

  // The map begins and ends with the image, and its one cell with the AI's region.
  const box = (await tile.boundingBox())!;
  const [scale, left, top] = ((await tile.getAttribute("data-place")) ?? "").split(" ").map(Number) as [number, number, number];
  const region = (await tile.locator(".dr-shape--ai").boundingBox())!;
  const near = (found: number, wanted: number) => expect(Math.abs(found - wanted), `${found} for ${wanted}`).toBeLessThan(2.5);
  // The box on the screen counts its line of two pixels.
  near(region.x, box.x + (cell.x - left) * scale);
  near(region.y, box.y + (cell.y - top) * scale);
  near(region.width, cell.width * scale);
  const place = (x: number, y: number): [number, number] => [Math.round((x - left) * scale), Math.round((y - top) * scale)];
  const inside = place(cell.x + cell.width / 2, cell.y + cell.height / 2);
  const outside = [place(cell.x + 3.5 * cell.width, cell.y + cell.height / 2), place(cell.x + cell.width / 2, cell.y - 2.5 * cell.height)];
  const clip = { x: Math.round(box.x), y: Math.round(box.y), width: Math.floor(box.width), height: Math.floor(box.height) };
  const shown = await picture(page, clip);
  expect(colour(shown.at(...inside))).toBeGreaterThan(20);
  for (const one of outside) expect(Math.abs(colour(shown.at(...one)))).toBeLessThan(3);

  // Stronger, as strong as it goes, fainter; then not at all.
  const range = page.getByLabel("How strong the AI's map is");
  await range.fill("100");
  await settled(page);
  const strong = colour((await picture(page, clip)).at(...inside));
  await range.fill("10");
  await settled(page);
  const faint = colour((await picture(page, clip)).at(...inside));
  expect(strong).toBeGreaterThan(colour(shown.at(...inside)) + 10);
  expect(faint).toBeLessThan(colour(shown.at(...inside)) - 10);
  await page.locator("#main").click({ position: { x: 5, y: 5 } });
  await page.keyboard.press("h");
  await expect(heat).toHaveCount(0);
  expect(Math.abs(colour((await picture(page, clip)).at(...inside)))).toBeLessThan(3);
  await page.keyboard.press("h");
  await expect(heat).toHaveCount(1);
});

test("the magnifier shows the image at the pointer, larger, and nothing else", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 92, pathway: "chest", policy: "chest-verify", views: ["PA"] });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  const tile = tileOf(page, made.instances[0]!);
  const box = (await tile.boundingBox())!;
  const on = await onScreen(tile);
  await page.keyboard.press("y");
  const lens = tile.locator(".dr-tile__lens");
  const found: { pointer: [number, number]; worst: number; mean: number }[] = [];
  for (const [right, down] of [[0.42, 0.4], [0.55, 0.62]] as const) {
    const pointer: [number, number] = [Math.round(right * box.width), Math.round(down * box.height)];
    await page.mouse.move(box.x + pointer[0], box.y + pointer[1]);
    await expect(lens).toBeVisible();
    await settled(page);
    // It lies over the pointer.
    const at = (await lens.boundingBox())!;
    expect(Math.abs(at.x + at.width / 2 - box.x - pointer[0])).toBeLessThan(2);
    expect(Math.abs(at.y + at.height / 2 - box.y - pointer[1])).toBeLessThan(2);
    const greys = await lens.evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const copy = new OffscreenCanvas(canvas.width, canvas.height);
      const pen = copy.getContext("2d", { willReadFrequently: true })!;
      pen.drawImage(canvas, 0, 0);
      const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
      return { width: canvas.width, values: [...data].filter((_, index) => index % 4 === 0) };
    });
    // 2.5 times as large as in the tile: a step of five pixels in the lens is one of two pixels in the tile.
    let [sum, count, worst] = [0, 0, 0];
    let unlike = 0;
    const middle = greys.width / 2;
    for (let y = -40; y <= 40; y += 4) {
      for (let x = -40; x <= 40; x += 4) {
        const inLens = greys.values[Math.round(middle + y * 2.5) * greys.width + Math.round(middle + x * 2.5)]!;
        const inTile = on.greys[(pointer[1] + y) * on.width + pointer[0] + x]!;
        const elsewhere = on.greys[(pointer[1] + 150 + y) * on.width + pointer[0] + 120 + x]!;
        sum += Math.abs(inLens - inTile);
        unlike += Math.abs(inLens - elsewhere);
        worst = Math.max(worst, Math.abs(inLens - inTile));
        count += 1;
      }
    }
    found.push({ pointer, worst, mean: sum / count });
    expect(sum / count, JSON.stringify(found)).toBeLessThan(6);
    // A piece from elsewhere would not do.
    expect(unlike / count).toBeGreaterThan(3 * (sum / count));
  }
  await page.keyboard.press("Escape");
  await expect(lens).toBeHidden();
});
