// WCAG 2.2 AA by axe, on every page of every role, in both themes.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, setTheme, test } from "../base.ts";
import { CHEST_NORMAL, chestAbnormal, Person } from "../people.ts";
import { abnormal, lookAtIt, say, startReading } from "../reading.ts";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** Pages at most that one person's walk visits. */
const WALK = 25;

test.setTimeout(300_000);

/** What axe finds on a page, one line each. */
async function faults(page: Page): Promise<string[]> {
  // Words that are still fading in have less contrast than they are about to have.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((one) => one.finished)));
  const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
  const where = `${new URL(page.url()).pathname}${new URL(page.url()).search}`;
  return violations.flatMap((one) => one.nodes.map((node) => `${where}: ${one.id}: ${one.help}: ${node.html}`));
}

/** Follows every link of our own from where the page is, and asks axe about each page. */
async function walk(page: Page): Promise<string[]> {
  const found: string[] = [];
  const seen = new Set<string>();
  const open = [new URL(page.url()).pathname];
  while (open.length && seen.size < WALK) {
    const path = open.shift()!;
    if (seen.has(path)) continue;
    seen.add(path);
    await page.goto(path);
    found.push(...(await faults(page)));
    const links = await page.locator("a[href^='/']").evaluateAll((all) => all.map((a) => new URL((a as HTMLAnchorElement).href).pathname));
    open.push(...links.filter((link) => !link.startsWith("/dicom-web") && !link.startsWith("/api/")));
  }
  return found;
}

for (const theme of ["dark", "light"] as const) {
  test(`no page of any role breaks a rule of axe in the ${theme} theme`, async ({ room, signIn, browser, complaints }) => {
    await room.person("rad", "radiographer");
    await room.person("anna", "reader");
    await room.person("lena", "lead");
    await room.person("audrey", "auditor");
    await room.person("ada", "admin");
    const sender = await Person.signIn(room, "rad");
    const other = { id: "OTHER-1", name: "Someone^Else", birth_date: "19480229" };
    for (const [seed, change] of [[1, {}], [9, { patient: other, urgency: "urgent" }]] as const)
      await sender.post("/api/orders", { ...(await room.order({ seed, pathway: "chest" })), ...change });
    await room.study({ seed: 9, pathway: "chest" });
    const chest = await room.study({ seed: 1, pathway: "chest", policy: "chest-verify", finding: "mass" });
    await room.study({ seed: 2, pathway: "mammo", policy: "mammo-ai-second" });
    await room.ai(chest.case_id, { outcome: { result: "abnormal" }, score: 0.8 });

    const stranger = await browser.newContext({ baseURL: room.pages });
    const visitor = await stranger.newPage();
    await visitor.goto("/sign-in");
    await setTheme(visitor, theme);
    const found = await faults(visitor);
    await stranger.close();
    for (const name of ["rad", "anna", "lena", "audrey", "ada"]) {
      const page = await signIn(name, { theme });
      found.push(...(await walk(page)).map((fault) => `${name} at ${fault}`));
    }
    expect(found).toEqual([]);
  });
}

for (const theme of ["dark", "light"] as const) {
  test(`no state of a case breaks a rule of axe in the ${theme} theme`, async ({ room, signIn }) => {
    for (const name of ["anna", "ben", "cara"]) await room.person(name, "reader");
    const mammo = await room.study({ seed: 1, pathway: "mammo", policy: "mammo-ai-second" });
    await room.ai(mammo.case_id);
    const chest = await room.study({ seed: 2, pathway: "chest", policy: "chest-verify", finding: "mass" });
    const region = { sop_instance_uid: chest.instances[0], frame: 1, x: 90, y: 120, width: 80, height: 70, score: 0.8 };
    await room.ai(chest.case_id, { outcome: { result: "abnormal" }, score: 0.8, regions: [region] });
    const differs = await room.study({ seed: 3, pathway: "chest", policy: "chest-verify" });
    await room.ai(differs.case_id);
    await (await Person.signIn(room, "ben")).read(differs.case_id, chestAbnormal("nodule", "left"));
    await (await Person.signIn(room, "cara")).read(differs.case_id, CHEST_NORMAL);

    const page = await signIn("anna", { theme });
    const found: string[] = [];
    const ask = async (state: string) => found.push(...(await faults(page)).map((fault) => `${state} at ${fault}`));
    await startReading(page, "mammo");
    await lookAtIt(room, page);
    for (const key of ["t", "r"]) {
      await page.keyboard.press(key);
      await ask(`a mammogram, key ${key}`);
      await page.keyboard.press("Escape");
    }
    await page.getByRole("button", { name: /close without an opinion/i }).click();
    await page.waitForURL((url) => !url.pathname.startsWith("/cases/"));
    await page.goto(`/cases/${chest.case_id}`);
    await page.getByRole("button", { name: /open it to read/i }).click();
    await lookAtIt(room, page);
    for (const key of ["t", "r", "?"]) {
      await page.keyboard.press(key);
      await ask(`a chest film, key ${key}`);
      await page.keyboard.press("Escape");
    }
    await say(room, page, abnormal("mass", "right", true));
    await ask("locked");
    await page.keyboard.press("c");
    await expect(page.getByRole("heading", { name: "AI", exact: true })).toBeVisible();
    await ask("revealed");
    await page.goto("/");
    await page.getByRole("button", { name: /settle/i }).first().click();
    await lookAtIt(room, page);
    await ask("an arbitration");
    await page.goto("/viewer");
    await ask("the second screen");
    expect(found).toEqual([]);
  });
}
