// A session of 25 cases by keyboard alone, from sign-in to its end.
import { expect, test } from "../base.ts";
import { lookAtIt, openCase } from "../reading.ts";

const CASES = Number(process.env.CASES ?? 25);

test.setTimeout(400_000);

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
  if (CASES !== 25) await page.getByLabel("cases", { exact: true }).fill(String(CASES));
  await page.keyboard.press("Enter");
  const read: string[] = [];
  for (let number = 1; number <= CASES; number++) {
    const case_id = await openCase(page);
    expect(read, "no case comes twice").not.toContain(case_id);
    await expect(page.getByText(new RegExp(`\\b${number} of ${CASES}\\b`)).first()).toBeVisible();
    await expect(page.locator(".dr-patient")).toContainText(names.get(case_id)!);
    await lookAtIt(room, page);
    const before = page.url();
    const looksAbnormal = number % 8 === 3 && (await page.locator("main h1").textContent())!.includes("Chest");
    if (looksAbnormal) {
      // Abnormal: the first of the usual findings, on the right; the case stays, to be compared and acted upon.
      await page.keyboard.press("r");
      await page.keyboard.press("1");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Control+Enter");
      await expect(page.getByRole("heading", { name: "You said" })).toBeVisible();
      await expect(page.getByRole("status").first()).toContainText(names.get(case_id)!);
      await page.keyboard.press("g");
    } else {
      await page.keyboard.press("n");
    }
    await page.waitForURL((url) => url.href !== before, { timeout: 20_000 });
    read.push(case_id);
    // What was recorded, and for whom.
    if (!looksAbnormal) await expect(page.getByRole("status").first()).toContainText(names.get(case_id)!);
    expect((await room.state(case_id)).reads.length).toBe(1);
  }
  // The end: how many, how long, and the reads that can still be changed.
  await expect(page.getByText(new RegExp(`${CASES}`)).first()).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(/session/i);
  expect(new Set(read).size).toBe(CASES);
});
