// An independent viewer opens our studies through DICOMweb: OHIF finds one, and shows its pixels under its patient's name.
import { expect, test } from "../base.ts";
import { pages, serve } from "../ohif.ts";
import { PASSWORD } from "../room.ts";

test("OHIF opens a study: the right patient, and pixels that are not blank", async ({ room, browser, playwright }) => {
  test.setTimeout(300_000);
  const dist = pages();
  if (!dist && process.env.REQUIRE_PEERS !== "1") test.skip(true, "@ohif/app can't be fetched from the registry");
  await room.person("pacs", "auditor");
  const made = await room.study({ seed: 41, pathway: "chest", name: "Ohif^Olga", size: [416, 512], policy: "chest-verify" });
  await room.study({ seed: 42, pathway: "chest", name: "Another^Anna", policy: "chest-verify" });

  const api = await playwright.request.newContext({ baseURL: room.pages });
  const signed = await api.post("/api/session", { data: { name: "pacs", password: PASSWORD } });
  expect(signed.ok()).toBe(true);
  const cookie = (await api.storageState()).cookies.map((one) => `${one.name}=${one.value}`).join("; ");
  const { base, server } = await serve(dist!, room.pages, cookie);
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, serviceWorkers: "block" });
  try {
    const page = await context.newPage();
    await page.goto(`${base}/`);
    await expect(page.getByText("Ohif", { exact: false }).first()).toBeVisible({ timeout: 90_000 });
    await expect(page.getByText("Another", { exact: false }).first()).toBeVisible();

    await page.goto(`${base}/viewer?StudyInstanceUIDs=${made.study}`);
    const canvas = page.locator("canvas").first();
    await expect(canvas).toBeVisible({ timeout: 90_000 });
    await page.getByRole("button", { name: "Skip all" }).click();
    // The patient is behind a fold in the header.
    await page.getByText("Patient", { exact: true }).click();
    await expect(page.getByText(/Ohif/).first()).toBeVisible({ timeout: 30_000 });
    await expect(page.getByText("Another", { exact: false })).toHaveCount(0);
    // A film is many greys; an empty viewport is one.
    await expect
      .poll(() => canvas.screenshot().then((png) => greys(page, png)), { timeout: 90_000 })
      .toBeGreaterThan(40);
    if (process.env.DOUBLEREAD_SHOTS) await page.screenshot({ path: `${process.env.DOUBLEREAD_SHOTS}/ohif.png` });
  } finally {
    await context.close();
    server.close();
    await api.dispose();
  }
});

/** How many different greys a picture has. */
async function greys(page: import("@playwright/test").Page, png: Buffer): Promise<number> {
  return page.evaluate(async (data) => {
    const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const drawing = new OffscreenCanvas(picture.width, picture.height).getContext("2d")!;
    drawing.drawImage(picture, 0, 0);
    const { data: pixels } = drawing.getImageData(0, 0, picture.width, picture.height);
    const found = new Set<number>();
    for (let at = 0; at < pixels.length; at += 4) found.add(pixels[at]);
    return found.size;
  }, png.toString("base64"));
}
