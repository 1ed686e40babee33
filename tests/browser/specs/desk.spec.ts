// What the reading page does by script: nothing typed is lost, one claim in two tabs, one case by a double click.
import type { Page } from "@playwright/test";
import { expect, test } from "../base.ts";
import { lookAtIt, openCase } from "../reading.ts";
import { PASSWORD } from "../room.ts";

test.use({ roomOptions: { deadMs: 100, pace: 1 } });

/** A reader with `count` chest cases, the first of them open. */
async function reading(room: any, signIn: any, count: number, study: object = {}): Promise<{ page: Page; first: string; cases: string[] }> {
  await room.person("anna", "reader");
  const cases: string[] = [];
  for (let at = 0; at < count; at++) {
    const made = await room.study({ seed: 60 + at, pathway: "chest", policy: "chest-verify", ...study });
    await room.ai(made.case_id);
    cases.push(made.case_id);
  }
  const page = await signIn("anna");
  await page.goto("/");
  await page.getByRole("button", { name: /start reading/i }).first().click();
  const first = await openCase(page);
  return { page, first, cases };
}

const comment = (page: Page) => page.locator("form:has(input[name=opinion][value=abnormal]) textarea").first();
const record = (page: Page) => page.locator("form:has(input[name=opinion][value=abnormal]) button[data-guarded]").first();

test("a double click reads one case, and the next one stays as it was", async ({ room, signIn }) => {
  const { page, first, cases } = await reading(room, signIn, 2);
  await lookAtIt(room, page);
  await page.getByRole("button", { name: /record normal/i }).dblclick();
  await expect(page.locator("#toast")).toContainText(/recorded for/i);
  await expect(page).not.toHaveURL(new RegExp(first));
  const other = cases.find((id) => id !== first)!;
  expect((await room.state(first)).reads).toHaveLength(1);
  expect((await room.state(other)).reads).toHaveLength(0);
});

test("the next case comes without a page load, and back is the case before", async ({ room, signIn }) => {
  const { page, first } = await reading(room, signIn, 2);
  await page.evaluate(() => ((window as any).sameDocument = true));
  await lookAtIt(room, page);
  await page.keyboard.press("n");
  await expect(page).not.toHaveURL(new RegExp(first));
  expect(await page.evaluate(() => (window as any).sameDocument)).toBe(true);
  await page.goBack();
  await expect(page).toHaveURL(new RegExp(first));
  await expect(page.getByRole("heading", { name: "You said" })).toBeVisible();
  expect(await page.evaluate(() => (window as any).sameDocument)).toBe(true);
});

test("a line that is down in mid-read loses nothing, and the lock is tried again", async ({ room, signIn, complaints }) => {
  const { page, first } = await reading(room, signIn, 1);
  await lookAtIt(room, page);
  await page.keyboard.press("r");
  await page.keyboard.press("1");
  await comment(page).fill("beside the hilum");
  await page.context().setOffline(true);
  await record(page).click();
  await expect(page.locator("#notices")).toContainText(/nothing that you typed is lost/i);
  await expect(comment(page)).toHaveValue("beside the hilum");
  await page.context().setOffline(false);
  await page.locator("#notices").getByRole("button", { name: "Try again" }).click();
  await expect(page.locator("#toast")).toContainText(/recorded for .*lung nodule/i);
  const { reads } = await room.state(first);
  expect(reads).toHaveLength(1);
  expect(reads[0].comment).toBe("beside the hilum");
  complaints.splice(0, complaints.length, ...complaints.filter((one) => !/ERR_INTERNET_DISCONNECTED/.test(one)));
});

test("what was typed stands there again after a reload, and not after signing out", async ({ room, signIn }) => {
  const { page, first } = await reading(room, signIn, 1);
  await page.keyboard.press("r");
  await page.keyboard.press("3");
  await comment(page).fill("small");
  await page.reload();
  await expect(page.getByText("What you typed before stands here again.")).toBeVisible();
  await expect(comment(page)).toHaveValue("small");
  await expect(page.locator("[name=finding_0]").first()).toHaveValue("pleural_effusion");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel(/name/i).fill("anna");
  await page.getByLabel(/password/i).fill(PASSWORD);
  await page.locator("main button").click();
  await page.goto(`/cases/${first}`);
  await page.keyboard.press("r");
  await expect(comment(page)).toHaveValue("");
});

test("a session that ends in mid-read begins again in the page, and the opinion goes on", async ({ room, signIn, expectedAnswers }) => {
  expectedAnswers.add(401);
  const { page, first } = await reading(room, signIn, 1);
  await lookAtIt(room, page);
  await page.keyboard.press("r");
  await page.keyboard.press("1");
  await comment(page).fill("left apex");
  // The lease is renewed by a heartbeat that keeps no session alive; here both have their time.
  await page.context().clearCookies();
  await record(page).click();
  const dialog = page.getByRole("dialog", { name: /session has ended/i });
  await dialog.getByLabel("Name").fill("anna");
  await dialog.getByLabel("Password").fill("not that one");
  await dialog.getByRole("button", { name: /sign in/i }).click();
  await expect(dialog).toContainText(/wrong/i);
  await dialog.getByLabel("Password").fill(PASSWORD);
  await dialog.getByRole("button", { name: /sign in/i }).click();
  await expect(page.locator("#toast")).toContainText(/recorded for .*lung nodule/i);
  expect((await room.state(first)).reads[0].comment).toBe("left apex");
});

test("two tabs of one reader: one has the case, and either can take it over", async ({ room, signIn }) => {
  const { page, first } = await reading(room, signIn, 1);
  const second = await page.context().newPage();
  await second.goto(`/cases/${first}`);
  await expect(second.locator("#notices")).toContainText("You have this case open in another tab.");
  await expect(second.locator("#main")).toHaveAttribute("inert", "");
  await second.getByRole("button", { name: "Go on here" }).click();
  await expect(page.locator("#notices")).toContainText("You went on with this case in another tab.");
  await expect(page.locator("#main")).toHaveAttribute("inert", "");
  await page.getByRole("button", { name: "Go on here instead" }).click();
  await expect(second.locator("#main")).toHaveAttribute("inert", "");
  await expect(page.locator("#main")).not.toHaveAttribute("inert", "");
});

test("one key goes a step back while the read is not final", async ({ room, signIn }) => {
  await room.person("anna", "reader");
  for (const seed of [70, 71]) await room.study({ seed, pathway: "mammo", policy: "mammo-ai-second" });
  const page = await signIn("anna");
  await page.goto("/");
  await page.getByRole("button", { name: /start reading/i }).first().click();
  const first = await openCase(page);
  await lookAtIt(room, page);
  await page.keyboard.press("n");
  await expect(page.locator("#toast")).toContainText(/recorded for .*: normal/i);
  await page.keyboard.press("z");
  await expect(page).toHaveURL(new RegExp(first));
  await expect(page.locator("#change")).toHaveAttribute("open", "");
  await page.locator("#change summary", { hasText: "Technical recall" }).click();
  await page.locator("#change [name=view_RCC]").selectOption("blurred");
  await page.locator("#change").getByRole("button", { name: /change to technical recall/i }).click();
  await expect(page.locator("#toast")).toContainText(/changed/i);
  const { reads } = await room.state(first);
  expect(reads[0].versions).toHaveLength(2);
  expect(reads[0].current.opinion).toBe("technical_recall");
});

test.describe("with the dead time of a reading room", () => {
  test.use({ roomOptions: { deadMs: 5_000, pace: 1 } });
  test("buttons stay dead for five seconds after a case has loaded, by key and by click", async ({ room, signIn }) => {
    const { page, first } = await reading(room, signIn, 1);
    await room.advance(10_000);
    await expect(page.locator("[data-dead]").first()).toBeVisible();
    await page.keyboard.press("n");
    await page.getByRole("button", { name: /record normal/i }).click({ force: true });
    expect((await room.state(first)).reads).toHaveLength(0);
    await expect(page.locator("[data-dead]")).toHaveCount(0, { timeout: 8_000 });
    await page.keyboard.press("n");
    await expect(page.locator(".dr-toast").first()).toContainText(/recorded for/i);
    expect((await room.state(first)).reads).toHaveLength(1);
  });
});
