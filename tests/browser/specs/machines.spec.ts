// One reader at two machines: one claim, each page says so, and an opinion recorded at one ends the other.
import { expect, test } from "../base.ts";
import { lookAtIt, openCase, startReading } from "../reading.ts";

test.use({ roomOptions: { deadMs: 100, pace: 1 } });

test("a case that is open on two machines says so on both, and an opinion at one makes the other read-only", async ({ room, signIn, expectedAnswers }) => {
  expectedAnswers.add(409);
  await room.person("anna", "reader");
  const made = await room.study({ seed: 70, pathway: "chest", policy: "chest-verify" });
  const one = await signIn("anna");
  expect(await startReading(one, "chest")).toBe(made.case_id);
  await expect(one.locator('[data-notice="machine"]')).toHaveCount(0);
  // Another browser context: nothing is shared with the first, as at another machine.
  const other = await signIn("anna");
  await other.goto("/");
  await other.getByRole("button", { name: /go on reading|start reading/i }).first().click();
  expect(await openCase(other)).toBe(made.case_id);
  for (const page of [other, one]) {
    await expect(page.locator("#notices")).toContainText("You have this case open on another machine", { timeout: 10_000 });
  }
  await lookAtIt(room, one);
  await one.keyboard.press("r");
  await one.locator("form:has(input[name=opinion][value=abnormal]) textarea").first().fill("a shadow");
  await lookAtIt(room, other);
  await other.keyboard.press("n");
  await expect(other.locator("#toast, .dr-toast").first()).toContainText(/recorded for/i);

  await expect(one.locator("#notices")).toContainText("You have recorded your opinion of this case in another window or on another machine", { timeout: 10_000 });
  await expect(one.locator("#main")).toHaveAttribute("inert", "");
  await one.locator("body").press("n");
  expect((await room.state(made.case_id)).reads).toHaveLength(1);
  await one.getByRole("button", { name: "See what was recorded" }).click();
  await expect(one.getByRole("heading", { name: "You said" })).toBeVisible();
  await expect(one.locator("#main")).toContainText("Normal");
  await expect(one.locator("#notices")).not.toContainText("another machine");
});

test("a machine that falls silent is forgotten, and two tabs of one browser are one machine", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  await room.study({ seed: 71, pathway: "chest", policy: "chest-verify" });
  const one = await signIn("anna");
  await startReading(one, "chest");
  const tab = await one.context().newPage();
  await tab.goto(one.url());
  await expect(tab.locator('[data-notice="tabs"]')).toBeVisible();
  await tab.waitForResponse((answer) => answer.url().endsWith("/heartbeat"));
  await expect(tab.locator('[data-notice="machine"]')).toHaveCount(0);
  await tab.close();
  const other = await signIn("anna");
  await other.goto(one.url());
  await expect(one.locator('[data-notice="machine"]')).toBeVisible({ timeout: 10_000 });
  await other.close();
  await room.advance(60_000);
  await expect(one.locator('[data-notice="machine"]')).toHaveCount(0, { timeout: 10_000 });
});
