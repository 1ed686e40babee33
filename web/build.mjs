// Builds web/dist: one stylesheet per theme out of the design system and our own, and our plain scripts.
// The NHS logo and its typeface are not used: the font stack is overridden and no logo is copied.
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as sass from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const dist = join(here, "dist");
const design = join(here, "node_modules", "nhsuk-frontend", "dist", "nhsuk");

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
for (const name of readdirSync(source)) {
  if (name.endsWith(".js") || name.endsWith(".svg")) cpSync(join(source, name), join(dist, name));
}
