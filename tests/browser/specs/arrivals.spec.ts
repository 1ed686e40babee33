// The radiographer's page: what is pushed appears by itself, and who is needed once more stands out while still there.
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, setTheme, test } from "../base.ts";
import { Person } from "../people.ts";
import { inadequate, say, startReading } from "../reading.ts";

/** Pictures of pages in both themes, where they are asked for. */
async function pictures(page: Page, pages: [path: string, name: string][]): Promise<void> {
  const shots = process.env.DOUBLEREAD_SHOTS;
  if (!shots) return;
  for (const theme of ["dark", "light"] as const) {
    await setTheme(page, theme);
    for (const [path, name] of pages) {
      await page.goto(path);
      // The list of arrivals is whole once it says so.
      if (path === "/studies") await expect(page.getByText("The list follows by itself.")).toBeVisible();
      await page.screenshot({ path: join(shots, `${name}-${theme}.png`) });
    }
  }
}

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
  await pictures(page, [["/studies", "arrivals"]]);
});

test("a study is matched to its order within two seconds of the push, and the lack of one is said", async ({ room, signIn }) => {
  await room.person("rad", "radiographer");
  const sender = await Person.signIn(room, "rad");
  const page = await signIn("rad");
  const ordered = { seed: 61, pathway: "chest" as const, name: "Cedar^Cy", policy: "chest-verify" };
  await sender.post("/api/orders", await room.order(ordered));
  await page.goto("/studies");
  await expect(page.getByRole("link", { name: "1 order waits for images" })).toBeVisible();
  await expect(page.getByText("The list follows by itself.")).toBeVisible();
  const made = await room.study(ordered);
  const row = page.locator(`[data-study="${made.study}"]`);
  await expect(row).toContainText("Matched", { timeout: 2_000 });

  // Another, whose order comes after it.
  const late = { seed: 62, pathway: "chest" as const, name: "Dogwood^Di", policy: "chest-verify" };
  const unmatched = await room.study(late);
  const other = page.locator(`[data-study="${unmatched.study}"]`);
  await expect(other).toContainText("no order has this accession number; it is read all the same", { timeout: 2_000 });
  // And one that was ordered for somebody else.
  const wrong = { seed: 63, pathway: "chest" as const, name: "Elder^Ed" };
  const order = await room.order(wrong);
  order.patient = { id: "OTHER-1", name: "Someone^Else", birth_date: "19480229" };
  await sender.post("/api/orders", order);
  const held = await room.study(wrong);
  const third = page.locator(`[data-study="${held.study}"]`);
  await expect(third).toContainText("Other patient", { timeout: 2_000 });
  await expect(third).toContainText("not scored, not read, not posted until a person has settled it");
  await pictures(page, [
    ["/studies", "arrivals-orders"],
    [`/studies/${held.study}`, "order-of-another"],
    ["/orders", "orders"],
  ]);
  await page.goto("/studies");
  await expect(page.getByText("The list follows by itself.")).toBeVisible();
  await sender.post("/api/orders", await room.order(late));
  await expect(other).toContainText("Matched", { timeout: 2_000 });
  await expect(other).not.toContainText("No order");
});

test("the reader sees what was asked, and an inadequate read opens the order again", async ({ room, signIn }) => {
  await room.person("rad", "radiographer");
  await room.person("anna", "reader");
  const sender = await Person.signIn(room, "rad");
  const ordered = { seed: 64, pathway: "chest" as const, name: "Fir^Fay", policy: "chest-verify" };
  await sender.post("/api/orders", await room.order(ordered));
  const made = await room.study(ordered);
  await room.ai(made.case_id);
  const rad = await signIn("rad");
  await rad.goto("/studies");
  await expect(rad.getByText("The list follows by itself.")).toBeVisible();
  const row = rad.locator(`[data-study="${made.study}"]`);
  await expect(row).toContainText("Matched");

  const anna = await signIn("anna");
  await startReading(anna, "chest");
  const history = anna.getByRole("region", { name: "History and reason for the study" });
  await expect(history).toContainText("Clinical question");
  await expect(history).toContainText("Cough, some weight loss");
  await say(room, anna, inadequate("rotation"));
  await expect(row.getByText("Repeat needed")).toBeVisible({ timeout: 2_000 });
  await rad.goto("/orders");
  const line = rad.getByRole("row", { name: /FIR, Fay/ });
  await expect(line).toContainText("Repeat needed");
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
