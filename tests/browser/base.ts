// What every spec starts from: a room of its own, people who sign in, and a page that must not complain.
import { type Browser, type BrowserContext, expect, type Page, test as base } from "@playwright/test";
import { PASSWORD, Room, type RoomOptions } from "./room.ts";

export { expect } from "@playwright/test";

/** Signs somebody in through the form, in a browser context of their own. */
export type SignIn = (name: string, options?: { theme?: "dark" | "light"; context?: BrowserContext; room?: Room }) => Promise<Page>;

interface Fixtures {
  roomOptions: RoomOptions;
  room: Room;
  signIn: SignIn;
  /** What browsers complained of so far: console errors, exceptions, breaches of the content-security policy. */
  complaints: string[];
  /** Answers that are part of a test and no complaint, such as `409`. */
  expectedAnswers: Set<number>;
}

export const test = base.extend<Fixtures>({
  roomOptions: [{}, { option: true }],
  room: async ({ roomOptions }, use) => {
    const room = await Room.open(roomOptions);
    await use(room);
    await room.close();
  },
  complaints: async ({}, use) => {
    const complaints: string[] = [];
    await use(complaints);
    expect(complaints, "what the browser complained of").toEqual([]);
  },
  expectedAnswers: async ({}, use) => use(new Set()),
  signIn: async ({ browser, room, complaints, expectedAnswers }, use) => {
    const opened: BrowserContext[] = [];
    await use(async (name, { theme = "dark", context, room: other } = {}) => {
      const own = context ?? (await fresh(browser, other ?? room));
      if (!context) opened.push(own);
      const page = await own.newPage();
      listen(page, complaints, expectedAnswers);
      await page.goto("/sign-in");
      await page.getByLabel(/name/i).fill(name);
      await page.getByLabel(/password/i).fill(PASSWORD);
      await page.locator("main button").click();
      await expect(page).not.toHaveURL(/sign-in/);
      await setTheme(page, theme);
      return page;
    });
    for (const context of opened) await context.close();
  },
});

async function fresh(browser: Browser, room: Room): Promise<BrowserContext> {
  return browser.newContext({ baseURL: room.pages, viewport: { width: 1600, height: 900 } });
}

/** Collects what the browser complains of. */
export function listen(page: Page, complaints: string[], expected: Set<number>): void {
  const here = () => new URL(page.url()).pathname;
  page.on("console", (message) => {
    const words = message.text();
    const answer = /status of (\d+)/.exec(words);
    if (answer && expected.has(Number(answer[1]))) return;
    if (["error", "warning"].includes(message.type())) complaints.push(`${here()}: ${message.type()}: ${words}`);
  });
  page.on("pageerror", (error) => complaints.push(`${here()}: ${error.stack ?? error.message}`));
}

/** Puts the pages into a theme by the button that every page has. */
export async function setTheme(page: Page, theme: "dark" | "light"): Promise<void> {
  const button = page.locator(`form[action="/theme"]:has(input[name=theme][value="${theme}"]) button`);
  if (await button.count()) await button.click();
}
