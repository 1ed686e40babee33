// What goes wrong at a reader's desk: double clicks, ended sessions and holds, two tabs, hostile names, broken pixels.
import { expect, test } from "../base.ts";
import { lookAtIt, normal, openCase, say, startReading } from "../reading.ts";
import { PASSWORD } from "../room.ts";

const SIGNED_OUT_MS = 31 * 60_000;

test.describe("with the dead time of the service", () => {
  test.use({ roomOptions: { deadMs: 5_000, pace: 1 } });

  test("a double click never reads two cases", async ({ room, signIn }) => {
    await room.person("anna", "reader");
    const cases = [];
    for (const seed of [1, 2]) {
      const made = await room.study({ seed, pathway: "chest", policy: "chest-verify" });
      await room.ai(made.case_id);
      cases.push(made.case_id);
    }
    const page = await signIn("anna");
    const first = await startReading(page, "chest");
    // Dead at first: neither key nor click does anything.
    await page.keyboard.press("n");
    await page.locator("form:has(input[name=opinion][value=normal]) button[data-guarded]").first().click({ force: true });
    expect((await room.state(first)).reads).toEqual([]);
    await lookAtIt(room, page);
    await page.locator("form:has(input[name=opinion][value=normal]) button[data-guarded]").first().dblclick();
    await page.waitForURL((url) => !url.pathname.endsWith(first));
    const second = cases.find((one) => one !== first)!;
    await page.keyboard.press("n");
    await page.waitForTimeout(1_000);
    expect((await room.state(first)).reads.length).toBe(1);
    expect((await room.state(second)).reads.length).toBe(0);
  });
});

test("script in a patient's name stays text, and nothing of it runs", async ({ room, signIn }) => {
  await room.person("anna", "reader", "radiographer");
  // No equals sign: it would end the component group of the name (PS3.5 6.2.1).
  const name = '"><svg><script>throw 1</script>^<b>Nell</b>';
  await room.study({ seed: 3, pathway: "chest", policy: "chest-verify", name });
  const page = await signIn("anna");
  for (const path of ["/", "/worklist", "/studies"]) {
    await page.goto(path);
    expect(await page.locator("main svg script, main b, tbody b").count(), path).toBe(0);
    expect(await page.title()).toMatch(/doubleread/);
  }
  await startReading(page, "chest");
  await expect(page.getByText(/<svg><script>throw 1/i).first()).toBeVisible();
  expect(await page.locator("svg script, .dr-patient b").count()).toBe(0);
  await say(room, page, normal);
});

test("a session and a hold that both ended in mid-read: what was typed is there when the case is opened again", async ({ room, signIn, expectedAnswers }) => {
  [401, 409].forEach((status) => expectedAnswers.add(status));
  await room.person("anna", "reader");
  const made = await room.study({ seed: 6, pathway: "chest", policy: "chest-verify" });
  const page = await signIn("anna");
  await startReading(page, "chest");
  await lookAtIt(room, page);
  await page.keyboard.press("r");
  const form = page.locator("form:has(input[name=opinion][value=abnormal])").first();
  await form.locator("[name=finding_0]").selectOption("nodule");
  await form.locator("[name=comment]").fill("right apex");
  await room.advance(SIGNED_OUT_MS);
  await form.locator("button[data-guarded]").click();
  await page.getByLabel(/name/i).last().fill("anna");
  await page.getByLabel(/password/i).last().fill(PASSWORD);
  await page.getByRole("button", { name: /sign in/i }).last().click();
  // The hold on the case has ended meanwhile: it is said, and the case can be opened again with the words still there.
  const reopen = page.getByRole("button", { name: /open it again|open it to read/i });
  const recorded = async () => (await room.state(made.case_id)).reads.length;
  await expect.poll(async () => (await reopen.count()) + (await recorded())).toBeGreaterThan(0);
  if ((await recorded()) === 0) {
    await reopen.first().click();
    await lookAtIt(room, page);
    await expect(form.locator("[name=comment]")).toHaveValue("right apex");
    if (!(await form.locator("button[data-guarded]").isVisible())) await page.keyboard.press("r");
    await form.locator("button[data-guarded]").click();
  }
  await expect.poll(recorded).toBe(1);
});

test("two tabs of one reader make one claim and one read", async ({ room, signIn, expectedAnswers }) => {
  [409, 422].forEach((status) => expectedAnswers.add(status));
  await room.person("anna", "reader");
  const made = await room.study({ seed: 7, pathway: "chest", policy: "chest-verify" });
  const one = await signIn("anna");
  await startReading(one, "chest");
  const other = await one.context().newPage();
  await other.goto("/");
  await other.getByRole("button", { name: /start reading|go on/i }).first().click();
  expect(await openCase(other)).toBe(made.case_id);
  await say(room, other, normal);
  await one.bringToFront();
  await room.advance(10_000);
  await one.keyboard.press("n");
  await one.waitForTimeout(1_000);
  expect((await room.state(made.case_id)).reads.length).toBe(1);
});

test("an image that can't be decoded is said, the rest is shown, and inadequate can be recorded", async ({ room, signIn, expectedAnswers }) => {
  // The image that can be seen counts as opened by itself, perhaps at the moment of the press: then one of the two is told so.
  [409, 422].forEach((status) => expectedAnswers.add(status));
  await room.person("anna", "reader");
  const made = await room.study({ seed: 8, pathway: "chest", policy: "chest-verify", views: ["PA", "LAT"], broken: 0 });
  const page = await signIn("anna");
  await startReading(page, "chest");
  await expect(page.getByText(/can't be (shown|decoded)/i).first()).toBeVisible();
  const look = page.getByRole("button", { name: /looked at all images/i });
  await look.click();
  await expect(look).toHaveCount(0);
  await say(room, page, { says: "inadequate", reason: "exposure" });
  expect((await room.state(made.case_id)).reads[0].current.opinion).toBe("inadequate");
});
