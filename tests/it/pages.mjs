// Walks the pages in Debian's Chromium and prints what the browser complained of, one line each.
//
//   node tests/it/pages.mjs < plan.json        exit 0: nothing; 1: complaints; 2: the walk itself failed
//
// The plan: { chromium, base, shots, walks: [{ name, password, theme, steps }] }. A step is one of
//   { visit: path }     loads a page                    { press: selector }  clicks, and waits for the page after it
//   { click: selector } clicks, and stays               { shot: name }       saves a picture below `shots`, if that is set
//   { change: selector } clicks, and waits until something else stands in the page, by a page load or without one
//   { crawl: n }        follows every link of our own, at most n pages
// Every person is signed in through the form, in a browser context of their own. Chromium is spoken to over a pipe.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE_MS = 30_000;
const plan = JSON.parse(readFileSync(0, "utf8"));
const profile = mkdtempSync(join(tmpdir(), "doubleread-pages-"));
const browser = spawn(
  plan.chromium,
  ["--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);

let number = 0;
const waiting = new Map();
const listeners = new Set();
let rest = "";
browser.stdio[4].setEncoding("utf8");
browser.stdio[4].on("data", (text) => {
  const parts = (rest + text).split("\0");
  rest = parts.pop();
  for (const part of parts) {
    const message = JSON.parse(part);
    if (message.id) {
      const { resolve, reject } = waiting.get(message.id);
      waiting.delete(message.id);
      message.error ? reject(new Error(message.error.message)) : resolve(message.result);
    } else listeners.forEach((listener) => listener(message));
  }
});
const ended = new Promise((_, reject) => {
  browser.on("error", reject);
  browser.on("exit", (code) => reject(new Error(`chromium ended with ${code}`)));
});
ended.catch(() => {});
const send = (method, params = {}, sessionId) => Promise.race([ended, new Promise((resolve, reject) => {
  waiting.set(++number, { resolve, reject });
  browser.stdio[3].write(JSON.stringify({ id: number, method, params, sessionId }) + "\0");
})]);
const within = (promise, what) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late, ended]).finally(() => clearTimeout(timer));
};

const complaints = [];
const visited = new Set();

async function walk({ name, password, theme, width = 1600, height = 900, steps }) {
  const { browserContextId } = await send("Target.createBrowserContext");
  const { targetId } = await send("Target.createTarget", { url: "about:blank", browserContextId });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const tell = (method, params) => send(method, params, sessionId);
  let here = "";
  const complain = (words) => complaints.push(`${name} at ${here}: ${words}`);
  let loaded = () => {};
  const listener = (message) => {
    if (message.sessionId !== sessionId) return;
    const { method, params } = message;
    if (method === "Page.loadEventFired") loaded();
    else if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level))
      complain(`${params.entry.source}: ${params.entry.text} ${params.entry.url ?? ""}`);
    else if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type))
      complain(`console: ${params.args.map((one) => one.value ?? one.description).join(" ")}`);
    else if (method === "Runtime.exceptionThrown")
      complain(`exception: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
    else if (method === "Audits.issueAdded" && params.issue.code === "ContentSecurityPolicyIssue")
      complain(`content security policy: ${JSON.stringify(params.issue.details.contentSecurityPolicyIssueDetails)}`);
    else if (method === "Network.responseReceived" && params.response.status >= 400)
      complain(`${params.response.status} of ${params.response.url}`);
  };
  listeners.add(listener);
  for (const domain of ["Page", "Runtime", "Log", "Network", "Audits"]) await tell(`${domain}.enable`);
  await tell("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await tell("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(`${name} at ${here}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  };
  const load = async (what, start) => {
    const load = new Promise((resolve) => { loaded = resolve; });
    await start();
    await within(load, `${name}: ${what}`);
    here = await evaluate("location.pathname + location.search");
    visited.add(`${name} ${here}`);
    // Two frames: what a page draws, or a policy forbids, after its load has then happened.
    await evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  };
  const visit = (path) => { here = path; return load(path, () => tell("Page.navigate", { url: plan.base + path })); };
  const found = (selector) => `(document.querySelector(${JSON.stringify(selector)}) ?? (() => { throw new Error("nothing is ${selector.replaceAll('"', "'")}"); })())`;
  // The buttons of an opinion are dead for a moment after the case has loaded.
  const alive = () => evaluate(`new Promise((done) => { const look = () => document.querySelector("[data-dead]") ? setTimeout(look, 20) : done(); look(); })`);
  const press = async (selector) => { await alive(); await load(`the page after ${selector}`, () => evaluate(`${found(selector)}.click()`)); };

  // A form of the reading page is sent without a page load; what follows may be the same page or another.
  const standing = () => evaluate("location.pathname + document.body.textContent").catch(() => null);
  const change = async (selector) => {
    await alive();
    const before = await standing();
    await evaluate(`${found(selector)}.click()`);
    const until = Date.now() + PATIENCE_MS;
    for (let now = before; now === before || now === null; now = await standing()) {
      if (Date.now() > until) throw new Error(`${name} at ${here}: nothing changed after ${selector}`);
      await new Promise((later) => setTimeout(later, 50));
    }
    here = await evaluate("location.pathname + location.search");
    visited.add(`${name} ${here}`);
    await evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  };

  await visit("/sign-in");
  const other = `form[action="/theme"]:has(input[name=theme][value="${theme}"]) button`;
  if (theme && await evaluate(`document.querySelector(${JSON.stringify(other)}) !== null`)) await press(other);
  await evaluate(`${found("input[name=name]")}.value = ${JSON.stringify(name)}`);
  await evaluate(`${found("input[name=password]")}.value = ${JSON.stringify(password)}`);
  await press("main button");
  if (here.startsWith("/sign-in")) throw new Error(`${name} could not sign in`);
  for (const step of steps) {
    if (step.visit) await visit(step.visit);
    else if (step.press) await press(step.press);
    else if (step.change) await change(step.change);
    else if (step.click) await evaluate(`${found(step.click)}.click()`);
    else if (step.shot && plan.shots) {
      mkdirSync(plan.shots, { recursive: true });
      const { data } = await tell("Page.captureScreenshot", { format: "png", captureBeyondViewport: Boolean(step.full) });
      writeFileSync(join(plan.shots, `${step.shot}.png`), Buffer.from(data, "base64"));
    } else if (step.crawl) {
      const seen = new Set();
      const open = [here];
      while (open.length > 0 && seen.size < step.crawl) {
        const path = open.shift();
        if (seen.has(path)) continue;
        seen.add(path);
        await visit(path);
        const links = await evaluate(`[...document.querySelectorAll("a[href]")].map((a) => new URL(a.href)).filter((u) => u.origin === location.origin).map((u) => u.pathname + u.search)`);
        open.push(...links);
      }
    }
  }
  listeners.delete(listener);
  await send("Target.disposeBrowserContext", { browserContextId });
}

let code = 0;
try {
  for (const one of plan.walks) await walk(one);
  complaints.forEach((line) => console.log(line));
  console.error(`${visited.size} pages, ${complaints.length} complaints`);
  code = complaints.length > 0 ? 1 : 0;
} catch (error) {
  complaints.forEach((line) => console.log(line));
  console.log(`the walk failed: ${error.message}`);
  code = 2;
}
browser.removeAllListeners("exit");
browser.kill();
await new Promise((done) => (browser.exitCode === null && browser.signalCode === null ? browser.once("exit", done) : done()));
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
process.exit(code);
