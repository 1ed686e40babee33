// The radiographer's page: what is pushed appears by itself, and who is needed once more stands out while still there.
import { join } from "node:path";
import { expect, setTheme, test } from "../base.ts";

test("a push appears by itself within two seconds, and a repeat stands out", async ({ room, signIn }) => {
  await room.person("rad", "radiographer");
  const page = await signIn("rad");
  await page.goto("/studies");
  await expect(page.getByText("Nothing has arrived")).toBeVisible();
  await expect(page.getByText("The list follows by itself.")).toBeVisible();

  const made = await room.study({ seed: 51, pathway: "chest", name: "Ash^Amy", policy: "chest-verify" });
  const pushed = Date.now();
  const row = page.locator(`[data-study="${made.study}"]`);
  await expect(row).toContainText("frontal is in", { timeout: 2_000 });
  expect(Date.now() - pushed).toBeLessThan(2_000);
  await expect(page.getByText("Nothing has arrived")).toBeHidden();
  await room.study({ seed: 52, pathway: "mammo", name: "Birch^Bea", views: ["RCC", "LCC", "RMLO"] });
  await expect(page.getByText("LMLO missing")).toBeVisible();

  // The keyboard stays on its line while the list changes.
  await row.getByRole("link").focus();
  const fault = { view: null, reason: "clipped", detail: "" };
  await room.ai(made.case_id, { outcome: { result: "quality_fail", faults: [fault] }, score: null });
  await expect(row.getByText("Repeat needed")).toBeVisible({ timeout: 2_000 });
  await expect(page.getByRole("alert")).toContainText("Repeat needed: ASH, Amy");
  await expect(row.getByRole("link")).toBeFocused();
  await expect(page.locator("tbody tr").first()).toHaveAttribute("data-study", made.study);
  const shots = process.env.DOUBLEREAD_SHOTS;
  for (const theme of ["dark", "light"] as const) {
    if (!shots) break;
    await setTheme(page, theme);
    await page.goto("/studies");
    await expect(page.getByText("The list follows by itself.")).toBeVisible();
    await page.screenshot({ path: join(shots, `arrivals-${theme}.png`) });
  }
});

test("a page that follows says so when its session has ended", async ({ room, signIn, expectedAnswers }) => {
  expectedAnswers.add(401);
  await room.person("rad", "radiographer");
  const page = await signIn("rad");
  await page.goto("/studies");
  await expect(page.getByText("The list follows by itself.")).toBeVisible();
  await room.advance(31 * 60_000);
  await expect(page.getByText("You have been signed out")).toBeVisible({ timeout: 5_000 });
});
