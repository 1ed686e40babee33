// What a coding of frames saves on the wire and costs until the browser has the samples: one mammogram and one chest film of
// full size, as they are, packed as HTTP has it, and as image codecs that a script unpacks. Prints a table for docs/benchmarks.md.
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "../base.ts";
import { openCase } from "../images.ts";
import { type Coded, CODEC_FILES, codings, type Frame } from "./codings.ts";

test.use({ roomOptions: { deadMs: 0, pace: 1 } });
test.setTimeout(600_000);
/** Fetches of each coding. */
const ROUNDS = 7;
/** Lines, megabits a second. */
const LINES = [1_000, 100];

const FILMS = [
  { name: "mammogram", pathway: "mammo", policy: "mammo-ai-second", size: [3328, 4096], bits: 12 },
  { name: "chest film", pathway: "chest", policy: "chest-verify", size: [2500, 3000], bits: 12 },
] as const;

/** Gives the page the codecs and the codings. */
function serves(all: Coded[]): RequestListener {
  return (request, response) => {
    const path = request.url!.split("?")[0]!;
    const file = CODEC_FILES.get(path);
    if (file) {
      response.setHeader("Content-Type", path.endsWith(".wasm") ? "application/wasm" : "text/javascript");
      return response.end(readFileSync(file));
    }
    const one = path === "/" ? undefined : all[Number(path.slice(1))];
    if (!one) return response.writeHead(200, { "Content-Type": "text/html" }).end("<p>");
    if (one.coding) response.setHeader("Content-Encoding", one.coding);
    return response.setHeader("Cache-Control", "no-store").end(one.bytes);
  };
}

for (const film of FILMS) {
  test(`codings of the frame of a ${film.name}`, async ({ room, signIn, browser }) => {
    await room.person("anna", "reader");
    const made = await room.study({ seed: 1, pathway: film.pathway, policy: film.policy, size: [...film.size] });
    const page = await signIn("anna");
    await openCase(page, made.case_id);
    const display = await (await page.request.get(`/api/cases/${made.case_id}/display`)).json();
    const { pixels } = display.images[made.instances[0]!];
    const answer = await page.request.get(pixels, { headers: { Accept: "application/octet-stream", "Accept-Encoding": "identity" } });
    const [columns, rows] = film.size;
    const frame: Frame = { columns, rows, bits: film.bits, samples: await answer.body() };
    expect(frame.samples.length).toBe(columns * rows * 2);

    const all = await codings(frame);
    const server = createServer(serves(all));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const plain = await browser.newPage();
    await plain.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await plain.addScriptTag({ url: "/openjphjs.js" });
    await plain.addScriptTag({ url: "/charlswasm_decode.js" });
    console.log("| film | as | MB | ratio | MB up to half the width | pack ms | in the browser ms | " + LINES.map((rate) => `${rate} Mbit/s: ms in all |`).join(" "));
    for (const [at, { name, codec, bytes, ms, half }] of all.entries()) {
      const { took, sum } = await plain.evaluate(unpack, [at, codec, ROUNDS] as const);
      expect(sum, `${name} gives back what it got`).toBe(sumOf(frame.samples));
      const mb = (octets: number) => (octets / 1e6).toFixed(1);
      const inAll = LINES.map((rate) => `${Math.round(ms + took + (bytes.length * 8) / (rate * 1e3))} |`).join(" ");
      console.log(`| ${film.name} | ${name} | ${mb(bytes.length)} | 1 : ${(frame.samples.length / bytes.length).toFixed(1)} | ${mb(half)} | ${Math.round(ms)} | ${Math.round(took)} | ${inAll}`);
    }
    await plain.close();
    server.close();
  });
}

function sumOf(samples: Buffer): number {
  let sum = 0;
  for (let at = 0; at < samples.length; at += 2) sum = (sum * 31 + samples.readUInt16LE(at)) % 4_294_967_291;
  return sum;
}

/** In the page: fetches and unpacks; the median of the milliseconds, and a sum over the samples. */
async function unpack([at, codec, rounds]: readonly [number, string, number]): Promise<{ took: number; sum: number }> {
  const script = globalThis as any;
  // Each codec's script leaves its factory under a name of its own.
  const module = codec === "htj2k" ? await script.Module() : codec === "jpegls" ? await script.CharLSWASM() : null;
  const all: number[] = [];
  let samples = new Uint8Array();
  for (let round = 0; round < rounds; round += 1) {
    const from = performance.now();
    const bytes = new Uint8Array(await (await fetch(`/${at}?${round}`)).arrayBuffer());
    if (module) {
      const decoder = codec === "htj2k" ? new module.HTJ2KDecoder() : new module.JpegLSDecoder();
      decoder.getEncodedBuffer(bytes.length).set(bytes);
      decoder.decode();
      samples = decoder.getDecodedBuffer().slice();
      decoder.delete();
    } else samples = bytes;
    all.push(performance.now() - from);
  }
  const values = new Uint16Array(samples.buffer, samples.byteOffset, samples.length / 2);
  const sum = values.reduce((sum, value) => (sum * 31 + value) % 4_294_967_291, 0);
  return { took: all.sort((a, b) => a - b)[Math.floor(rounds / 2)]!, sum };
}
