// R5, S09: before the lock every byte that a reader's browser gets is the same, whatever the AI and the first reader said.
import { createHash } from "node:crypto";
import type { APIResponse, Page } from "@playwright/test";
import { expect, test } from "../base.ts";
import { CHEST_NORMAL, chestAbnormal, MAMMO_NORMAL, Person, recall } from "../people.ts";
import { type Made, Room } from "../room.ts";

// Time stands still unless the test moves it: nothing differs by the moment at which it was asked for.
test.use({ roomOptions: { deadMs: 0, pace: 0 } });

interface World {
  ai: Record<string, unknown> | null;
  first: Record<string, unknown> | null;
}

const abnormal = (made: Made) => ({
  outcome: { result: "abnormal" },
  score: 0.93,
  regions: [{ sop_instance_uid: made.instances[0], frame: 1, x: 100, y: 120, width: 80, height: 60, score: 0.93 }],
});

/** Everything that differs by chance: ids that the service makes, tokens, the port. */
function plain(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "ID")
    .replaceAll(/127\.0\.0\.1:\d+/g, "HOST")
    .replaceAll(/(csrf[^"]*"[^"]*")[^"]+"/g, '$1TOKEN"')
    .replaceAll(/value="[A-Za-z0-9_-]{40,}"/g, 'value="TOKEN"');
}

/** What a browser was given, by address: status, headers and body, less what differs by chance. */
class Given {
  private readonly seen = new Map<string, Set<string>>();

  /** Stands between the browser and the service, so that no answer is missed. */
  async standBetween(page: Page): Promise<void> {
    await page.route("**/*", async (route) => {
      const request = route.request();
      // A stream of events has no end to wait for; the answer to a form sends the browser on, and what it then gets is kept.
      const passed = request.resourceType() === "eventsource" || request.method() !== "GET";
      if (passed || request.url().includes("/assets/")) return route.continue();
      const response = await route.fetch({ maxRedirects: 0 });
      await this.keep(request.method(), request.url(), response);
      await route.fulfill({ response });
    });
  }

  /** Asks for something besides what the pages ask for. */
  async ask(page: Page, path: string): Promise<void> {
    const response = await page.request.get(path);
    await this.keep("GET", response.url(), response);
  }

  private async keep(method: string, url: string, response: APIResponse): Promise<void> {
    const headers = response.headers();
    for (const name of ["date", "set-cookie"]) delete headers[name];
    const body = await response.body();
    const text = /text|json/.test(headers["content-type"] ?? "");
    if (text) delete headers["content-length"];
    const said = text ? plain(body.toString()) : createHash("sha256").update(body).digest("hex");
    const one = `${method} ${plain(url)}`;
    const all = `${response.status()} ${plain(JSON.stringify(headers))}\n${said}`;
    this.seen.set(one, (this.seen.get(one) ?? new Set()).add(all));
  }

  whole(): [string, string[]][] {
    return [...this.seen].map(([url, all]): [string, string[]] => [url, [...all].sort()]).sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** Lets the second reader look at everything that the pages offer before an opinion is locked. */
async function look(room: Room, page: Page, made: Made, given: Given): Promise<void> {
  for (const path of ["/", "/worklist", "/studies", `/studies/${made.study}`, `/cases/${made.case_id}`]) await page.goto(path);
  const lists = ["/api/cases", "/api/cases?state=arbitration", "/api/me", "/api/reads", "/api/cases/ahead?n=2"];
  const ofCase = ["", "/display", "/events"].map((end) => `/api/cases/${made.case_id}${end}`);
  const ofImages = made.instances.flatMap((uid) => [`/api/instances/${uid}/rendered?overlay=true`, `/api/instances/${uid}/heat-map`]);
  for (const path of [...lists, ...ofCase, ...ofImages]) await given.ask(page, path);
  await page.goto("/");
  // The page looks ahead once its images are painted: every world gets that far.
  const ahead = page.waitForResponse((answer) => answer.url().endsWith("/api/cases/ahead"));
  await page.getByRole("button", { name: /start reading/i }).first().click();
  await page.waitForURL(/\/cases\//);
  await ahead;
  await page.waitForLoadState("networkidle");
  await room.advance(10_000);
  for (const key of ["h", "c", "p", "i", "1", "Escape"]) await page.keyboard.press(key);
  for (const path of [...lists, ...ofCase, ...ofImages]) await given.ask(page, path);
  await page.waitForLoadState("networkidle");
}

for (const pathway of ["chest", "mammo"] as const) {
  const [normal, other] = pathway === "chest" ? [CHEST_NORMAL, chestAbnormal("mass", "right")] : [MAMMO_NORMAL, recall("left")];
  // Each pair of worlds asks for a second reader, who must not be able to tell which of them it is.
  const worlds: World[] = pathway === "chest"
    ? [{ ai: {}, first: other }, { ai: { outcome: { result: "abnormal" } }, first: normal }]
    : [{ ai: {}, first: other }, { ai: { outcome: { result: "abnormal" } }, first: normal }, { ai: { outcome: { result: "abnormal" } }, first: other }];

  test(`s09 a second ${pathway} reader's browser is given the same bytes in every world`, async ({ room, signIn, expectedAnswers }) => {
    [403, 404, 409].forEach((status) => expectedAnswers.add(status));
    await room.person("anna", "reader");
    await room.person("ben", "reader", "radiographer");
    // Every world is a case of the same study in a room of its own; the first one is this test's.
    const given: [string, string[]][][] = [];
    for (const [at, world] of worlds.entries()) {
      const here = at === 0 ? room : await Room.open({ deadMs: 0, pace: 0 });
      if (at > 0) {
        await here.person("anna", "reader");
        await here.person("ben", "reader", "radiographer");
      }
      const policy = pathway === "chest" ? "chest-verify" : "mammo-ai-second";
      const made = await here.study({ seed: 5, pathway, policy });
      const anna = await Person.signIn(here, "anna");
      if (world.ai) await here.ai(made.case_id, "outcome" in world.ai ? abnormal(made) : world.ai);
      if (world.first) await anna.read(made.case_id, world.first);
      const page = await signIn("ben", { room: here });
      const seen = new Given();
      await seen.standBetween(page);
      await look(here, page, made, seen);
      given.push(seen.whole());
      await page.context().close();
      if (at > 0) await here.close();
    }
    const [one, ...others] = given;
    expect(one.length, "addresses").toBeGreaterThan(12);
    for (const another of others) {
      expect(another.map(([url]) => url)).toEqual(one.map(([url]) => url));
      for (const [at, [url, answers]] of one.entries()) expect(another[at][1], `${url} tells the worlds apart`).toEqual(answers);
    }
  });
}
