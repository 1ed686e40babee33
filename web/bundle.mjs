// Bundles the TypeScript entries with Vite, writes each file compressed beside itself, and prints what goes over
// the wire. Fails above the limits, so that a page can't grow unseen.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";

/** Most that an entry and everything that it can load may weigh over the wire, in bytes. */
const LIMITS = { "arrivals.js": 20_000, "desk.js": 150_000, "viewer.js": 1_500_000 };
const COMPRESSED = /\.(js|css|svg|wasm)$/;

/** Bundles `entries` ({name: file}) of `root` into `dist`; the entries keep their names, chunks carry a hash. */
export async function bundle(root, dist, entries) {
  const { output } = await build({
    root,
    configFile: false,
    // vtk.js names Node's `url` in a writer of XML that is never run; the bundler warns of it each time.
    logLevel: "error",
    publicDir: false,
    base: "./",
    // vtk.js names the Node module `events`; the browser one has to be named by its file.
    resolve: { alias: { events: "events/events.js" } },
    worker: { format: "es", rolldownOptions: { output: { entryFileNames: "[name]-[hash].js" } } },
    build: {
      outDir: dist,
      emptyOutDir: false,
      target: "es2022",
      modulePreload: false,
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: 4000,
      rolldownOptions: {
        input: entries,
        output: {
          // What entries share with each other or with lazy chunks must not lie in an entry (see below).
          codeSplitting: { groups: [{ name: "shared", test: /\/src\/(keys|viewer\/(display|frames|channel|second_screen))/ }] },
          entryFileNames: "[name].js",
          chunkFileNames: "[name]-[hash].js",
          assetFileNames: "[name]-[hash][extname]",
        },
      },
    },
  });
  const chunks = new Map(output.filter((one) => one.type === "chunk").map((one) => [one.fileName, one]));
  for (const chunk of chunks.values()) {
    const named = [...chunk.imports, ...chunk.dynamicImports].find((name) => chunks.get(name)?.isEntry);
    // Pages name an entry with a piece of its hash; a chunk would name it without and run it a second time.
    if (named) throw new Error(`${chunk.fileName} imports the entry ${named}`);
  }
  return chunks;
}

/** Writes a `.br` and a `.gz` beside every file of `dist`; returns the larger compressed size of each, in bytes. */
export function compress(dist) {
  const sizes = new Map();
  for (const name of readdirSync(dist).filter((name) => COMPRESSED.test(name))) {
    const bytes = readFileSync(join(dist, name));
    const brotli = brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
    const gzip = gzipSync(bytes, { level: 9 });
    writeFileSync(join(dist, `${name}.br`), brotli);
    writeFileSync(join(dist, `${name}.gz`), gzip);
    sizes.set(name, { plain: bytes.length, brotli: brotli.length, gzip: gzip.length });
  }
  return sizes;
}

/** Prints each entry with everything that it can load, and throws above a limit. */
export function weigh(chunks, sizes) {
  for (const [entry, limit] of Object.entries(LIMITS)) {
    if (!chunks.has(entry)) throw new Error(`${entry} was not built`);
    const files = reachable(entry, chunks);
    const total = (kind) => files.reduce((sum, name) => sum + (sizes.get(name)?.[kind] ?? 0), 0);
    const kb = (bytes) => `${Math.round(bytes / 1000)} kB`;
    console.log(
      `web: ${entry} with ${files.length - 1} chunks: ${kb(total("plain"))}, over the wire ${kb(total("brotli"))} (br), ` +
        `${kb(total("gzip"))} (gzip); limit ${kb(limit)}`,
    );
    if (total("gzip") > limit) throw new Error(`${entry} is above its limit of ${limit} bytes over the wire`);
  }
}

function reachable(entry, chunks) {
  const found = new Set();
  const visit = (name) => {
    const chunk = chunks.get(name);
    if (!chunk || found.has(name)) return;
    found.add(name);
    [...chunk.imports, ...chunk.dynamicImports].forEach(visit);
  };
  visit(entry);
  return [...found];
}
