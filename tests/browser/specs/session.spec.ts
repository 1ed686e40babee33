// A session of 25 cases by keyboard alone, from sign-in to its end.
import { expect, test } from "../base.ts";
import { lookAtIt, openCase } from "../reading.ts";

const CASES = 25;

test.setTimeout(300_000);

test("a reader reads a session of 25 cases by keyboard alone", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  const names = new Map<string, string>();
  for (let seed = 1; seed <= CASES + 2; seed++) {
    const pathway = seed % 2 === 0 ? "mammo" : "chest";
    const policy = pathway === "chest" ? "chest-verify" : "mammo-ai-second";
    const made = await room.study({ seed, pathway, policy, patient: seed, size: [160, 200] });
    await room.ai(made.case_id);
    names.set(made.case_id, String(seed).padStart(8, "0"));
  }
  const page = await signIn("anna");
  await page.goto("/");
  // The button that matters has the focus.
  await expect(page.getByRole("button", { name: /start reading/i }).first()).toBeFocused();
  await page.keyboard.press("Enter");
  const read: string[] = [];
  for (let number = 1; number <= CASES; number++) {
    const case_id = await openCase(page);
    expect(read, "no case comes twice").not.toContain(case_id);
    await expect(page.getByText(new RegExp(`\\b${number} of ${CASES}\\b`)).first()).toBeVisible();
    await expect(page.locator(".dr-patient")).toContainText(names.get(case_id)!);
    await lookAtIt(room, page);
    const before = page.url();
    if (number % 8 === 3) {
      // Abnormal, or a recall: letters, numbers, arrows and Enter; no mouse.
      await page.keyboard.press("r");
      if (await page.locator(".dr-patient").getByText(/chest/i).count() || (await page.locator("[data-finder]").count())) {
        await page.keyboard.press("1");
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("Control+Enter");
      } else {
        await page.keyboard.press("Escape");
        await page.keyboard.press("n");
      }
    } else {
      await page.keyboard.press("n");
    }
    await page.waitForURL((url) => url.href !== before);
    read.push(case_id);
    // What was recorded, and for whom.
    await expect(page.getByRole("status").first()).toContainText(names.get(case_id)!);
    expect((await room.state(case_id)).reads.length).toBe(1);
  }
  // The end: how many, how long, and the reads that can still be changed.
  await expect(page.getByText(new RegExp(`${CASES}`)).first()).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(/session/i);
  expect(new Set(read).size).toBe(CASES);
});
