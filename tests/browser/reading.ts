// What a reader does at the pages, by keyboard where there is a key.
import { expect, type Page } from "@playwright/test";
import type { Room } from "./room.ts";

/** More than the two seconds in which the server takes an opinion for an accidental click (R13). */
const A_LOOK_MS = 10_000;

/** Takes the next right case of a pathway from the start page. */
export async function startReading(page: Page, pathway: "chest" | "mammo"): Promise<string> {
  await page.goto("/");
  await page.getByRole("button", { name: new RegExp(`start reading.*${pathway === "chest" ? "chest" : "mammo"}`, "i") }).click();
  return openCase(page);
}

/** The id of the case that is open, once it is. */
export async function openCase(page: Page): Promise<string> {
  await page.waitForURL(/\/cases\/[0-9a-f-]{36}/);
  return /\/cases\/([0-9a-f-]{36})/.exec(page.url())![1];
}

/** Waits until the buttons are alive, as a person who looks at the images would. */
export async function lookAtIt(room: Room, page: Page): Promise<void> {
  await room.advance(A_LOOK_MS);
  await expect(page.locator("[data-dead]")).toHaveCount(0);
  await expect(page.locator("[data-guarded]").first()).toBeVisible();
}

/** An opinion as a test names it. */
export type Said =
  | { says: "normal" }
  | { says: "inadequate"; reason: string }
  | { says: "abnormal"; finding: string; side?: string; urgent?: boolean }
  | { says: "technical_recall"; views: Record<string, string> }
  | { says: "recall"; side: "left" | "right" };

export const normal: Said = { says: "normal" };
export const abnormal = (finding: string, side?: string, urgent = false): Said => ({ says: "abnormal", finding, side, urgent });
export const recall = (side: "left" | "right"): Said => ({ says: "recall", side });
export const technicalRecall = (views: Record<string, string>): Said => ({ says: "technical_recall", views });
export const inadequate = (reason: string): Said => ({ says: "inadequate", reason });

/** Gives an opinion on the case that is open. */
export async function say(room: Room, page: Page, said: Said): Promise<void> {
  await lookAtIt(room, page);
  const form = page.locator(`form:has(input[name=opinion][value=${said.says}])`).first();
  const recorded = page.waitForResponse((answer) => answer.request().method() === "POST" && /\/(opinion|arbitration|change|reads)$/.test(answer.url()));
  switch (said.says) {
    case "normal":
      await page.keyboard.press("n");
      break;
    case "abnormal":
      await page.keyboard.press("r");
      await form.locator("[name=finding_0]").selectOption(said.finding);
      if (said.side) await form.locator("[name=side_0]").selectOption(said.side);
      if (said.urgent) await form.locator("[name=urgent_0]").check();
      await form.locator("button[data-guarded]").click();
      break;
    case "inadequate":
      await page.keyboard.press("t");
      await form.locator("[name=reason]").selectOption(said.reason);
      await form.locator("button[data-guarded]").click();
      break;
    case "technical_recall":
      await page.keyboard.press("t");
      for (const [view, reason] of Object.entries(said.views)) await form.locator(`[name=view_${view}]`).selectOption(reason);
      await form.locator("button[data-guarded]").click();
      break;
    case "recall":
      await page.keyboard.press("r");
      await form.locator(`input[name=${said.side}][value=abnormal]`).check();
      await form.locator(`[name=${said.side}_feature_0]`).selectOption("mass");
      await form.locator(`[name=${said.side}_concern_0]`).selectOption("4");
      await form.locator("button[data-guarded]").click();
      break;
  }
  const answer = await recorded;
  expect(answer.status(), await answer.text().catch(() => "")).toBeLessThan(400);
  await expect(page.getByRole("status").first()).toContainText(/recorded/i);
}

/** Goes to a read of one's own that does not count yet, and lets it count. */
export async function letItCount(page: Page, case_id: string): Promise<void> {
  await page.goto(`/cases/${case_id}`);
  const button = page.getByRole("button", { name: /let it count now/i });
  if (await button.count()) await button.click();
  await expect(page.getByRole("button", { name: /let it count now/i })).toHaveCount(0);
}
