// Builds web/dist: one stylesheet per theme out of the design system and our own, the TypeScript entries (checked,
// bundled), and a compressed copy of each file. Prints what a page costs over the wire and fails above the limits.
// The NHS logo and its typeface are not used: the font stack is overridden and no logo is copied.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as sass from "sass";
import { bundle, compress, weigh } from "./bundle.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const finished = join(here, "dist");
// What fails half way must not look finished.
const dist = join(here, "node_modules", ".dist");
const design = join(here, "node_modules", "nhsuk-frontend", "dist", "nhsuk");

execFileSync(process.execPath, [join(here, "node_modules", "typescript", "bin", "tsc"), "--noEmit", "-p", here], { stdio: "inherit" });

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
for (const theme of ["dark", "light"]) {
  const { css } = sass.compile(join(source, `${theme}.scss`), {
    loadPaths: [design, source],
    style: "compressed",
    quietDeps: true,
  });
  writeFileSync(join(dist, `${theme}.css`), css);
}
for (const name of readdirSync(source).filter((name) => name.endsWith(".svg"))) cpSync(join(source, name), join(dist, name));
const chunks = await bundle(here, dist, { arrivals: join(source, "arrivals.ts"), desk: join(source, "desk.ts"), viewer: join(source, "viewer.ts") });
weigh(chunks, compress(dist));
rmSync(finished, { recursive: true, force: true });
renameSync(dist, finished);
