// A reader who prefers a second screen: the window of the images opens with the press that starts reading, and is used again.
import { expect, listen, test } from "../base.ts";
import { allPainted } from "../images.ts";
import { lookAtIt, openCase } from "../reading.ts";

test.use({ roomOptions: { deadMs: 100, pace: 1 } });

test("with the wish for a second screen the images open by themselves with Start reading, and in the same window again", async ({ room, signIn, complaints, expectedAnswers }) => {
  await room.person("anna", "reader");
  for (const seed of [50, 51]) await room.ai((await room.study({ seed, pathway: "chest", policy: "chest-verify" })).case_id);
  const page = await signIn("anna");
  await page.goto("/");
  await page.getByRole("button", { name: "Open them in a window of their own" }).click();
  await expect(page.getByText("The images open in a window of their own")).toBeVisible();
  const [second] = await Promise.all([page.context().waitForEvent("page"), page.getByRole("button", { name: /start reading/i }).first().click()]);
  listen(second, complaints, expectedAnswers);
  const first = await openCase(page);
  await allPainted(second);
  await expect(second.locator(".dr-tile:visible")).not.toHaveCount(0);
  await expect(page.getByText("The images are on the second screen.")).toBeVisible();
  await page.bringToFront();
  await lookAtIt(room, page);
  await page.keyboard.press("n");
  await expect(page).not.toHaveURL(new RegExp(first));
  await allPainted(second);
  // Away and back: the window that is there is used again.
  await page.goto("/");
  await page.getByRole("button", { name: /go on reading/i }).first().click();
  await openCase(page);
  await expect(second.locator(".dr-cover")).toBeHidden();
  expect(page.context().pages()).toHaveLength(2);
  // Without the wish the images stay here.
  await second.close();
  await page.goto("/");
  await page.getByRole("button", { name: "Keep them on this screen" }).click();
  await page.getByRole("button", { name: /go on reading/i }).first().click();
  await openCase(page);
  await allPainted(page);
  expect(page.context().pages()).toHaveLength(1);
});
