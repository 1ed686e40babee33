// The viewer in the case page and on the second screen.
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, listen, test } from "../base.ts";
import { allPainted, makeImages, onScreen, openCase, settled, tileOf } from "../images.ts";

test.use({ roomOptions: { deadMs: 0, pace: 1 } });

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

async function faults(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
  return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${one.help}: ${node.html}`));
}

/** Collects the events of the viewer. */
async function events(page: Page, ...names: string[]): Promise<() => Promise<any[]>> {
  await page.evaluate((all) => {
    (window as any).heard = [];
    for (const name of all) document.addEventListener(name, (event) => (window as any).heard.push((event as CustomEvent).detail));
  }, names);
  return () => page.evaluate(() => (window as any).heard);
}

const place = async (page: Page, uid: string): Promise<number[]> => {
  await settled(page);
  return ((await tileOf(page, uid).getAttribute("data-place")) ?? "").split(" ").map(Number);
};

test("mammograms hang chest walls together at one scale, and keys alone do everything", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 3, pathway: "mammo", policy: "mammo-ai-second" });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  const tiles = page.locator(".dr-tile");
  await expect(tiles).toHaveCount(4);
  const labels = await page.locator(".dr-tile__label").allInnerTexts();
  expect(labels.map((label) => label.trim())).toEqual(["RCC", "LCC", "RMLO", "LMLO"]);
  const uids = await tiles.evaluateAll((all) => all.map((tile) => (tile as HTMLElement).dataset["image"]!));
  const places = await Promise.all(uids.map((uid) => place(page, uid)));
  expect(new Set(places.map(([scale]) => scale!.toFixed(6))).size).toBe(1);
  // A right breast ends at the right edge of its tile, a left one begins at the left edge of its.
  const width = (await tiles.first().boundingBox())!.width;
  expect(places[0]![1]! + width / places[0]![0]!).toBeCloseTo(416, 1);
  expect(places[1]![1]!).toBeCloseTo(0, 1);
  expect(await faults(page)).toEqual([]);

  await page.keyboard.press("2");
  await expect(page.locator(".dr-tile:visible")).toHaveCount(1);
  await expect(tileOf(page, uids[1]!)).toBeFocused();
  const before = await onScreen(tileOf(page, uids[1]!));
  await page.keyboard.press("i");
  const inverted = await onScreen(tileOf(page, uids[1]!));
  // Half way down, a little way in from the chest wall.
  const inside = Math.floor(before.height / 2) * before.width + 40;
  expect(before.greys[inside]! + inverted.greys[inside]!).toBe(255);
  await page.keyboard.press("i");
  await page.keyboard.press("x");
  await page.keyboard.press("e");
  await expect(page.locator(".dr-tile__corner--state:visible")).toContainText("mirrored, turned 90°");
  await expect(page.locator(".dr-tile:visible .dr-tile__marker--top")).toHaveText("A");
  await page.keyboard.press("0");
  await expect(page.locator(".dr-tile__corner--state:visible")).not.toContainText("mirrored");
  const fitted = await place(page, uids[1]!);
  await page.keyboard.press("+");
  expect((await place(page, uids[1]!))[0]!).toBeGreaterThan(fitted[0]!);
  await page.keyboard.press("Shift+ArrowLeft");
  await expect(page.getByLabel("Window", { exact: true })).toHaveValue("");
  await page.keyboard.press("q");
  await expect(page.getByLabel("Window", { exact: true })).not.toHaveValue("");

  // A length by keys: begin at the cross, go 40 steps to the right, end.
  await page.keyboard.press("f");
  await page.keyboard.press("l");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Enter");
  await expect(page.locator(".dr-shape__words--length")).toContainText("mm at the detector");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await expect(page.locator(".dr-tile:visible")).toHaveCount(4);
});

test("a mark is drawn by a drag and stays where it is through zoom, turn and mirror", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 4, pathway: "chest", policy: "chest-verify" });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  const heard = await events(page, "dr:mark", "dr:mark-cancelled");
  const tell = (name: string, detail: object) =>
    page.evaluate(([event, said]) => document.dispatchEvent(new CustomEvent(event as string, { detail: said })), [name, detail] as const);
  const uid = made.instances[0]!;
  const tile = tileOf(page, uid);
  const box = (await tile.boundingBox())!;
  const [scale, left, top] = (await place(page, uid)) as [number, number, number];
  await tell("dr:draw-mark", { id: "m1", words: "nodule" });
  const [across, down] = [Math.round(box.width / 2), Math.round(box.height / 2)];
  await page.mouse.move(box.x + across, box.y + down);
  await page.mouse.down();
  await page.mouse.move(box.x + across + 30, box.y + down + 20);
  await page.mouse.move(box.x + across + 60, box.y + down + 40);
  await page.mouse.up();
  const [mark] = await heard();
  expect(mark).toMatchObject({ id: "m1", sop_instance_uid: uid, frame: 1 });
  expect(mark.x).toBeCloseTo(left + across / scale, 0);
  expect(mark.y).toBeCloseTo(top + down / scale, 0);
  expect(mark.width).toBeCloseTo(60 / scale, 0);
  await tell("dr:marks", { marks: [{ ...mark, words: "nodule" }] });
  await page.keyboard.press("e");
  await page.keyboard.press("x");
  await page.keyboard.press("+");
  await settled(page);
  // The rectangle lies where the view says that its place of the image is now.
  const drawn = (await page.locator(".dr-shape--own").boundingBox())!;
  expect(drawn.width / drawn.height).toBeCloseTo(40 / 60, 1);
  await tell("dr:draw-mark", { id: "m2", words: "nodule" });
  await page.keyboard.press("Escape");
  expect((await heard())[1]).toEqual({ id: "m2" });
});

test("an image that can't be decoded says so in its place and the rest is shown", async ({ room, signIn, complaints, expectedAnswers }) => {
  expectedAnswers.add(422);
  const { folder, expected } = makeImages();
  const [uid, one] = [...expected][2]!;
  await room.person("anna", "reader");
  const files = [join(folder, one.file), join(folder, "broken.dcm")];
  const { case_id } = await room.study({ seed: 1, pathway: "chest", policy: "chest-verify", files });
  const page = await signIn("anna");
  await page.goto(`/cases/${case_id}`);
  await page.getByRole("button", { name: "Open it to read" }).click();
  await expect(page.locator(".dr-tile__message:visible").filter({ hasText: "This image can't be shown." })).toHaveCount(1);
  await expect(tileOf(page, uid)).toHaveAttribute("data-painted", "true");
  expect(complaints).toEqual([]);
});

test("the second screen follows the case, takes the keys, and covers the images when it is out of step", async ({ room, signIn, complaints, expectedAnswers }) => {
  await room.person("anna", "reader");
  const chest = await room.study({ seed: 5, pathway: "chest", policy: "chest-verify", name: "SYNTHETIC^ONE" });
  const page = await signIn("anna");
  await openCase(page, chest.case_id);
  const [second] = await Promise.all([page.context().waitForEvent("page"), page.keyboard.press("Shift+S")]);
  listen(second, complaints, expectedAnswers);
  await allPainted(second);
  await expect(second.locator("#second-who")).toContainText("ONE");
  await expect(page.getByText("The images are on the second screen.")).toBeVisible();
  await expect(page.locator(".dr-tile:visible")).toHaveCount(0);
  expect(await faults(second)).toEqual([]);
  // A key of the images, pressed at the main window, works on the second screen.
  await page.bringToFront();
  await page.keyboard.press("i");
  await expect(second.locator(".dr-tile__corner--state").first()).toContainText("inverted");
  // A key of the opinion, pressed on the second screen, works at the main window.
  await second.bringToFront();
  await second.keyboard.press("r");
  await expect(page.locator('details[data-action="opinion.abnormal"]')).toHaveAttribute("open", "");
  // The main window goes elsewhere: no image stays.
  await page.goto("/worklist");
  await expect(second.locator(".dr-cover")).toContainText("Out of step");
  await expect(second.locator("#second-who")).toBeHidden();
  await page.goto(`/cases/${chest.case_id}`);
  await expect(second.locator(".dr-cover")).toBeHidden();
  await expect(second.locator("#second-who")).toContainText("ONE");
  await page.close({ runBeforeUnload: true });
  await expect(second.locator(".dr-cover")).toContainText("Out of step");
});

test("a fifth image is announced, counts as opened once it was shown, and no image of a case stays when the next comes", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const views = ["RCC", "LCC", "RMLO", "LMLO", "RCC"];
  const made = await room.study({ seed: 7, pathway: "mammo", policy: "mammo-ai-second", views });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  const announced = page.locator(".dr-viewer-notices__open");
  await expect(announced).toContainText("1 image more than the standard views is not looked at yet");
  const heard = await events(page, "dr:opened");
  const acknowledged = page.waitForResponse((answer) => answer.url().endsWith("/acknowledge"));
  await announced.getByRole("button").click();
  await allPainted(page);
  expect((await acknowledged).ok()).toBe(true);
  await expect(announced).toBeHidden();
  const uids = (await heard()).flatMap((detail) => detail.sop_instance_uids);
  expect(uids).toHaveLength(1);
  expect(made.instances).toContain(uids[0]);
  await page.evaluate(() => document.dispatchEvent(new CustomEvent("dr:no-case")));
  await expect(page.locator(".dr-tile")).toHaveCount(0);
});

test("the images are dark from the first paint, whatever the theme", async ({ room, signIn, complaints }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 8, pathway: "chest", policy: "chest-verify" });
  for (const theme of ["dark", "light"] as const) {
    const page = await signIn("anna", { theme });
    await page.route("**/frames/1", (route) => route.abort());
    await page.goto(`/cases/${made.case_id}`);
    const open = page.getByRole("button", { name: "Open it to read" });
    if (await open.count()) await open.click();
    await expect(page.locator(".dr-tile").first()).toBeVisible();
    for (const part of ["#viewer", ".dr-board", ".dr-tile"]) {
      await expect(page.locator(part).first()).toHaveCSS("background-color", "rgb(0, 0, 0)");
    }
    await page.close();
  }
  // The images that the test holds back.
  complaints.splice(0, complaints.length, ...complaints.filter((one) => !one.includes("net::ERR_FAILED")));
});

test("the AI's regions come onto the images with the reveal, without the images moving, and go by a key", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 9, pathway: "chest", policy: "chest-verify" });
  const region = { sop_instance_uid: made.instances[0], frame: 1, x: 100, y: 120, width: 80, height: 60, score: 0.93 };
  await room.ai(made.case_id, { outcome: { result: "abnormal" }, score: 0.93, regions: [region] });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  const regions = page.locator(".dr-shape--ai");
  await expect(regions).toHaveCount(0);
  await page.waitForTimeout(2200);
  await page.keyboard.press("n");
  await page.waitForURL(/after=/);
  await page.goto(`/cases/${made.case_id}`);
  await expect(page.locator(".dr-tile[data-painted]").first()).toBeVisible();
  await expect(regions).toHaveCount(0);
  await page.keyboard.press("+");
  const before = await place(page, made.instances[0]!);
  await page.keyboard.press("c");
  await expect(regions).toHaveCount(1);
  expect(await place(page, made.instances[0]!)).toEqual(before);
  await expect(page.locator(".dr-shape__words--ai")).toContainText("0.93");
  await page.keyboard.press("h");
  await expect(regions).toHaveCount(0);
});

test("priors hang by one key, and window and zoom of current and prior go together until they are let loose", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const study = { pathway: "chest" as const, policy: "chest-verify", views: ["PA"], patient: 11 };
  await room.study({ ...study, seed: 40, date: "20240105" });
  const made = await room.study({ ...study, seed: 41 });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  const states = page.locator(".dr-tile__corner--state");
  if ((await page.locator(".dr-tile__prior").count()) === 0) await page.keyboard.press("p");
  await expect(page.locator(".dr-tile__prior")).toHaveCount(1);
  await allPainted(page);
  await tileOf(page, made.instances[0]!).focus();
  await page.keyboard.press("Shift+ArrowLeft");
  await settled(page);
  const [one, other] = await states.allInnerTexts();
  expect(one).toBe(other);
  expect(one).not.toContain("W 4096");
  await page.keyboard.press("b");
  await page.keyboard.press("+");
  await settled(page);
  const [zoomed, still] = await states.allInnerTexts();
  expect(zoomed).not.toBe(still);
});
