// Act, then review (X7): from a read that counts and was not marked urgent, at the page.
import { expect, test } from "../base.ts";
import { openCase, tileOf } from "../images.ts";
import { lookAtIt } from "../reading.ts";

test.use({ roomOptions: { deadMs: 100, pace: 1 } });

test("the author of a final abnormal read orders a CT and tells the referrer, and the second reader sees nothing of it", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  await room.person("ben", "reader");
  const made = await room.study({ seed: 90, pathway: "chest", policy: "chest-verify", views: ["PA", "LAT"] });
  await room.ai(made.case_id);
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  await lookAtIt(room, page);
  if (await page.locator("#images-to-open").count()) await page.keyboard.press("a");
  await expect(page.locator("#images-to-open")).toHaveCount(0);
  await page.keyboard.press("r");
  await page.keyboard.press("1");
  await page.keyboard.press("Escape");
  await page.keyboard.press("m");
  const marked = made.instances[0]!;
  const box = (await tileOf(page, marked).boundingBox())!;
  await page.mouse.move(box.x + 0.36 * box.width, box.y + 0.4 * box.height);
  await page.mouse.down();
  await page.mouse.move(box.x + 0.42 * box.width, box.y + 0.5 * box.height);
  await page.mouse.up();
  await expect(page.locator("[data-row='1'] [data-marked]")).toHaveText("Marked");
  await page.locator("form:has(input[name=opinion][value=abnormal]) button[data-guarded]").click();
  await expect(page.locator("#toast")).toContainText(/recorded for .*lung nodule/i);
  // A second read is due; nothing has left so far.
  await room.tick(made.case_id);
  expect((await room.state(made.case_id)).next.waits_for).toBe("second_read");
  await expect(page.locator(".dr-acted")).toHaveCount(0);

  await page.keyboard.press("u");
  const form = page.locator("#act-now form");
  await expect(form.locator("input[name=finding][value=nodule]")).toBeChecked();
  await expect(form.locator("[name=key_image]")).toHaveValue(marked);
  await form.locator("[name=reason]").fill("haemoptysis for two weeks");
  await form.getByRole("button", { name: "Order and tell now" }).click();
  await expect(page.locator("#toast")).toContainText(/second investigation is ordered/i);
  await expect(page.locator(".dr-acted")).toContainText("CT of the chest ordered for today");
  await expect(page.locator(".dr-acted")).toContainText("Urgent message to the referrer");
  await expect(page.locator("#act-now")).toHaveCount(0);
  expect((await room.state(made.case_id)).next.waits_for).toBe("second_read");

  const second = await signIn("ben");
  await openCase(second, made.case_id);
  expect(await second.locator(".dr-acted, #act-now").count()).toBe(0);
});
