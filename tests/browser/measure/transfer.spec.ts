// What a coding of frames saves on the wire and costs in the browser: the stored values of one mammogram of 3328 x 4096 as
// they are, in gzip and in zstd (both level 1), and how small JPEG-LS makes the same image. Prints figures.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "../base.ts";
import { openCase } from "../images.ts";

test.use({ roomOptions: { deadMs: 0, pace: 1 } });
test.setTimeout(300_000);
/** Fetches of each coding. */
const ROUNDS = 9;

interface Coded {
  coding: string;
  bytes: Buffer;
  /** To make it, in milliseconds on one core; 0 for what is sent as it is. */
  ms: number;
}

function coded(samples: Buffer, folder: string): Coded[] {
  const timed = (make: () => Buffer): { bytes: Buffer; ms: number } => {
    const from = performance.now();
    const bytes = make();
    return { bytes, ms: performance.now() - from };
  };
  const all: Coded[] = [{ coding: "", bytes: samples, ms: 0 }, { coding: "gzip", ...timed(() => gzipSync(samples, { level: 1 })) }];
  writeFileSync(join(folder, "samples"), samples);
  const zstd = () => spawnSync("zstd", ["-q", "-f", "-1", join(folder, "samples"), "-o", join(folder, "samples.zst")]);
  if (zstd().status === 0) all.push({ coding: "zstd", ...timed(() => (zstd(), readFileSync(join(folder, "samples.zst")))) });
  else console.log("zstd is missing, so its figures are");
  return all;
}

test("frames of a mammogram as they are, in gzip and in zstd", async ({ room, signIn, browser }) => {
  await room.person("anna", "reader");
  const made = await room.study({ seed: 1, pathway: "mammo", policy: "mammo-ai-second", size: [3328, 4096] });
  const page = await signIn("anna");
  await openCase(page, made.case_id);
  const display = await (await page.request.get(`/api/cases/${made.case_id}/display`)).json();
  const { pixels } = display.images[made.instances[0]!];
  const samples = await (await page.request.get(pixels, { headers: { Accept: "application/octet-stream", "Accept-Encoding": "identity" } })).body();
  expect(samples.length).toBe(3328 * 4096 * 2);

  const codings = coded(samples, mkdtempSync(join(tmpdir(), "transfer-")));
  const server = createServer((request, response) => {
    const one = codings.find(({ coding }) => request.url!.startsWith(`/${coding || "identity"}?`));
    if (!one) return response.writeHead(200, { "Content-Type": "text/html" }).end("<p>");
    if (one.coding) response.setHeader("Content-Encoding", one.coding);
    return response.setHeader("Cache-Control", "no-store").end(one.bytes);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const plain = await browser.newPage();
  await plain.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  for (const { coding, bytes, ms } of codings) {
    const took = await plain.evaluate(async ([name, rounds]) => {
      const all: number[] = [];
      for (let at = 0; at < rounds; at += 1) {
        const from = performance.now();
        await (await fetch(`/${name}?${at}`)).arrayBuffer();
        all.push(performance.now() - from);
      }
      return all.sort((a, b) => a - b)[Math.floor(rounds / 2)]!;
    }, [coding || "identity", ROUNDS] as const);
    const mb = (bytes.length / 1e6).toFixed(1);
    console.log(`${coding || "as they are"}: ${mb} MB, 1 : ${(samples.length / bytes.length).toFixed(1)}, made in ${Math.round(ms)} ms, in the browser after ${Math.round(took)} ms`);
  }
  await plain.close();
  server.close();
  const file = process.env.MAMMOGRAM;
  if (file && spawnSync("dcmcjpls", [file, `${file}.jls`]).status === 0) {
    console.log(`JPEG-LS of ${file}: ${(statSync(`${file}.jls`).size / 1e6).toFixed(1)} MB of ${(statSync(file).size / 1e6).toFixed(1)} MB`);
  }
});
