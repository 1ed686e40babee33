// Pictures of every page in both themes, for docs/screens (DOUBLEREAD_SHOTS names the folder); skipped without it.
import { mkdirSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { Page } from "@playwright/test";
import { test } from "../base.ts";
import { CHEST_NORMAL, chestAbnormal, MAMMO_NORMAL, Person, recall } from "../people.ts";
import { abnormal, lookAtIt, normal, say, startReading } from "../reading.ts";
import type { Made, Room } from "../room.ts";

const wanted = process.env.DOUBLEREAD_SHOTS ?? "";
const folder = isAbsolute(wanted) ? wanted : join(import.meta.dirname, "..", "..", "..", wanted);

test.skip(wanted === "", "DOUBLEREAD_SHOTS names no folder");
test.use({ roomOptions: { deadMs: 100, pace: 5 } });
test.setTimeout(600_000);

/** Full-size enough to look at, small enough to draw quickly. */
const CHEST: [number, number] = [1024, 1250];
const MAMMO: [number, number] = [832, 1024];

const ABNORMAL_MASS = (made: Made) => ({
  outcome: { result: "abnormal" },
  score: 0.83,
  findings: [{ label: "mass", code: "mass", side: "right", score: 0.83, threshold: 0.5, flagged: true }],
  regions: [{ sop_instance_uid: made.instances[0], frame: 1, x: 250, y: 420, width: 180, height: 190, score: 0.83 }],
});

async function shoot(page: Page, theme: string, name: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await page.waitForLoadState("networkidle").catch(() => undefined);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.screenshot({ path: join(folder, `${name}-${theme}.png`) });
}

/** A few days of work, so that no page is empty. */
async function furnish(room: Room): Promise<{ chest: Made; mammo: Made; settled: Made }> {
  for (const name of ["anna", "ben", "cara"]) await room.person(name, "reader");
  await room.person("rad", "radiographer");
  await room.person("lena", "lead");
  await room.person("audrey", "auditor");
  await room.person("ada", "admin");
  const prior = await room.study({ seed: 21, pathway: "chest", policy: "chest-verify", patient: 9, date: "20240511", size: CHEST });
  await room.ai(prior.case_id);
  const ben = await Person.signIn(room, "ben");
  await ben.read(prior.case_id, CHEST_NORMAL);
  const settled = await room.study({ seed: 22, pathway: "mammo", policy: "mammo-ai-second", size: MAMMO });
  await room.ai(settled.case_id, { outcome: { result: "abnormal" }, score: 0.7, breasts: [{ side: "L", score: 0.7, flagged: true }] });
  await ben.read(settled.case_id, recall("left"));
  const anna = await Person.signIn(room, "anna");
  await anna.read(settled.case_id, MAMMO_NORMAL);
  const own = await room.study({ seed: 25, pathway: "chest", policy: "chest-verify", size: CHEST, finding: "nodule" });
  await room.ai(own.case_id, { outcome: { result: "abnormal" }, score: 0.6 });
  await anna.read(own.case_id, CHEST_NORMAL);
  await ben.read(own.case_id, chestAbnormal("nodule", "right"));
  const chest = await room.study({ seed: 23, pathway: "chest", policy: "chest-verify", patient: 9, size: CHEST, finding: "mass" });
  await room.ai(chest.case_id, ABNORMAL_MASS(chest));
  const mammo = await room.study({ seed: 24, pathway: "mammo", policy: "mammo-ai-second", size: MAMMO });
  await room.ai(mammo.case_id);
  await room.study({ seed: 26, pathway: "chest", policy: "chest-verify", size: CHEST, urgent: true });
  return { chest, mammo, settled };
}

for (const theme of ["dark", "light"] as const) {
  test(`pictures of the pages in the ${theme} theme`, async ({ room, signIn, browser, expectedAnswers }) => {
    [401, 403, 404].forEach((status) => expectedAnswers.add(status));
    const made = await furnish(room);
    const shot = (page: Page, name: string) => shoot(page, theme, name);

    const stranger = await (await browser.newContext({ baseURL: room.pages, viewport: { width: 1600, height: 900 } })).newPage();
    await stranger.goto("/sign-in");
    const other = stranger.locator(`form[action="/theme"]:has(input[name=theme][value="${theme}"]) button`);
    if (await other.count()) await other.click();
    await shot(stranger, "sign-in");

    const anna = await signIn("anna", { theme });
    await anna.goto("/");
    await shot(anna, "start");
    await anna.goto("/worklist");
    await shot(anna, "worklist");
    await startReading(anna, "mammo");
    await lookAtIt(room, anna);
    await shot(anna, "mammo-blind");
    await anna.keyboard.press("r");
    await shot(anna, "mammo-recall");
    await anna.keyboard.press("Escape");
    await say(room, anna, normal);
    await shot(anna, "mammo-recorded");
    for (const path of ["/my-reads", "/nowhere"]) {
      await anna.goto(path);
      await shot(anna, path.slice(1));
    }

    const cara = await signIn("cara", { theme });
    await cara.goto(`/cases/${made.chest.case_id}`);
    await cara.getByRole("button", { name: /open it to read/i }).click();
    await lookAtIt(room, cara);
    await shot(cara, "chest-blind");
    await cara.keyboard.press("p");
    await shot(cara, "chest-prior");
    await cara.keyboard.press("?");
    await shot(cara, "keys");
    await cara.keyboard.press("Escape");
    await cara.keyboard.press("r");
    await shot(cara, "chest-abnormal");
    await say(room, cara, abnormal("mass", "right", true));
    await shot(cara, "chest-locked");
    await cara.keyboard.press("c");
    await shot(cara, "chest-revealed");
    await cara.goto("/");
    await cara.getByRole("button", { name: /settle/i }).first().click();
    await lookAtIt(room, cara);
    await shot(cara, "arbitration");

    const rad = await signIn("rad", { theme });
    for (const [path, name] of [["/studies", "radiographer"], [`/studies/${made.settled.study}`, "study"], ["/refused", "refused"]]) {
      await rad.goto(path);
      await shot(rad, name);
    }
    const lena = await signIn("lena", { theme });
    await lena.goto("/operations");
    await shot(lena, "operations");
    const audrey = await signIn("audrey", { theme });
    await audrey.goto("/audit");
    await shot(audrey, "audit");
  });
}
