// The keys: listed and changed by `?`, clash with nothing, and are the person's own at the next page.
import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "../base.ts";
import { openCase } from "../images.ts";

test.use({ roomOptions: { deadMs: 0, pace: 1 } });

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

for (const theme of ["dark", "light"] as const) {
  test(`keys are listed, changed and kept, and clash with nothing, in the ${theme} theme`, async ({ room, signIn }) => {
    await room.person("anna", "reader");
    const { case_id } = await room.study({ seed: 6, pathway: "chest", policy: "chest-verify" });
    const page = await signIn("anna", { theme });
    await openCase(page, case_id);
    await page.keyboard.press("?");
    const dialog = page.getByRole("dialog", { name: "Keys" });
    await expect(dialog).toBeVisible();
    await expect(dialog.getByRole("button", { name: "Close" })).toBeFocused();
    const { violations } = await new AxeBuilder({ page }).include("#dr-keys").withTags(RULES).analyze();
    expect(violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html}`))).toEqual([]);

    // No two actions have one key, and none has a key of the browser's.
    const shown = await dialog.locator(".dr-keys__key").allInnerTexts();
    const used = shown.filter((key) => key !== "no key");
    expect(new Set(used).size).toBe(used.length);
    expect(used.filter((key) => /^(F\d+|\/|'|Tab|Space|Backspace)$/.test(key))).toEqual([]);

    const invert = dialog.getByRole("button", { name: /^Black and white exchanged/ });
    const status = dialog.getByRole("status");
    await invert.click();
    await page.keyboard.press("n");
    await expect(status).toContainText("It is the key for “Normal”.");
    await page.keyboard.press("/");
    await expect(status).toContainText("Browsers search in the page with this key.");
    const kept = page.waitForResponse((answer) => answer.url().endsWith("/api/me/preferences") && answer.request().method() === "PUT");
    await page.keyboard.press("7");
    await expect(status).toContainText("“Black and white exchanged” now has the key 7.");
    expect((await kept).ok()).toBe(true);
    await page.keyboard.press("Escape");
    await expect(dialog).toBeHidden();
    const state = page.locator(".dr-tile__corner--state").first();
    await page.keyboard.press("i");
    await expect(state).not.toContainText("inverted");
    await page.keyboard.press("7");
    await expect(state).toContainText("inverted");
    // A letter that is typed into a field is no key.
    await page.reload();
    await expect(page.locator(".dr-tile[data-painted]").first()).toBeVisible();
    await page.keyboard.press("7");
    await expect(state).toContainText("inverted");
  });
}
