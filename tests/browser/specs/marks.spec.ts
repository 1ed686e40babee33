// Marks from the opinion to the image and back: by key, by drag, with the side of the image.
import { expect, test } from "../base.ts";
import { allPainted, openCase, tileOf } from "../images.ts";
import { lookAtIt } from "../reading.ts";

test.use({ roomOptions: { deadMs: 100, pace: 1 } });

/** Drags over a part of a tile, from and to in parts of its width and height. */
async function drag(page: any, tile: any, [x, y]: [number, number], [to, down]: [number, number]): Promise<void> {
  const box = (await tile.boundingBox())!;
  await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
  await page.mouse.down();
  await page.mouse.move(box.x + ((x + to) / 2) * box.width, box.y + ((y + down) / 2) * box.height);
  await page.mouse.move(box.x + to * box.width, box.y + down * box.height);
  await page.mouse.up();
}

test("a mark on a left breast makes the left breast abnormal and asks for its feature", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 80, pathway: "mammo", policy: "mammo-ai-second" });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  await lookAtIt(room, page);
  await page.keyboard.press("r");
  await page.keyboard.press("m");
  const tile = page.locator(".dr-tile", { hasText: "LCC" }).first();
  await drag(page, tile, [0.1, 0.4], [0.2, 0.55]);
  await expect(page.locator("input[name=left][value=abnormal]")).toBeChecked();
  await expect(page.locator("[name=left_feature_0]")).toBeFocused();
  // Mass by its letter, level 4 by its number, Enter records.
  await page.keyboard.type("mass");
  await page.keyboard.press("Tab");
  await page.keyboard.type("4");
  await page.keyboard.press("Enter");
  await expect(page.locator("#toast")).toContainText(/left abnormal \(mass 4\)/);
  const { left, right } = (await room.state(made.case_id)).reads[0].current;
  expect(right.marks).toHaveLength(0);
  expect(made.instances).toContain(left.marks[0].mark.sop_instance_uid);
  expect(await tile.getAttribute("data-image")).toBe(left.marks[0].mark.sop_instance_uid);
});

test("a mark on the other side of a chest film than the finding stops the lock until it is taken away", async ({ room, signIn, expectedAnswers }) => {
  expectedAnswers.add(422);
  await room.person("anna", "reader");
  const made = await room.study({ seed: 81, pathway: "chest", policy: "chest-verify" });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  await lookAtIt(room, page);
  await page.keyboard.press("r");
  await page.keyboard.press("1");
  await page.keyboard.type("left");
  await page.keyboard.press("Escape");
  await page.keyboard.press("m");
  // The patient's right lies at the left of a frontal film.
  await drag(page, tileOf(page, made.instances[0]), [0.36, 0.4], [0.41, 0.5]);
  await expect(page.locator("[data-row='1'] [data-marked]")).toHaveText("Marked");
  const record = page.locator("form:has(input[name=opinion][value=abnormal]) button[data-guarded]");
  await record.click();
  await expect(page.locator("#toast")).toContainText(/lung nodule is said to be left, its mark lies on the right/);
  expect((await room.state(made.case_id)).reads).toHaveLength(0);
  await page.getByRole("button", { name: "Take the mark away" }).click();
  await record.click();
  await expect(page.locator("#toast")).toContainText(/recorded for .*lung nodule, left/i);
});

test("a fifth image must be looked at, and then the opinion is taken", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 82, pathway: "mammo", policy: "mammo-ai-second", views: ["RCC", "LCC", "RMLO", "LMLO", "LXCCL"] });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  await allPainted(page);
  await lookAtIt(room, page);
  const notice = page.locator("#images-to-open");
  if (await notice.count()) await page.keyboard.press("a");
  await expect(notice).toHaveCount(0);
  await page.keyboard.press("n");
  await expect(page.locator(".dr-toast").first()).toContainText(/recorded for/i);
});
