// OHIF as an independent viewer: its prebuilt pages from npm, served beside a way to the DICOMweb side of a room.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const VERSION = "3.13.2";
const SHA512 = "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==";
const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "target", "peers", `ohif-${VERSION}`);

/** The folder of OHIF's pages, fetched once; `null` where the registry can't be reached. */
export function pages(): string | null {
  const dist = join(folder, "package", "dist");
  if (existsSync(join(dist, "index.html"))) return dist;
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync("npm", ["pack", `@ohif/app@${VERSION}`, "--silent"], { cwd: folder, stdio: "pipe", timeout: 300_000 });
  } catch {
    return null;
  }
  const file = join(folder, `ohif-app-${VERSION}.tgz`);
  const found = createHash("sha512").update(readFileSync(file)).digest("base64");
  if (found !== SHA512) throw new Error(`@ohif/app ${VERSION} is another file than the pinned one: ${found}`);
  execFileSync("tar", ["xzf", file], { cwd: folder });
  rmSync(file);
  return dist;
}

/** What OHIF is told: one data source, ours. */
const config = `window.config = {
  routerBasename: "/", showStudyList: true, extensions: [], modes: [], customizationService: {},
  maxNumberOfWebWorkers: 1, showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false,
  investigationalUseDialog: { option: "never" }, strictZSpacingForVolumeViewport: false,
  defaultDataSourceName: "dicomweb",
  dataSources: [{ namespace: "@ohif/extension-default.dataSourcesModule.dicomweb", sourceName: "dicomweb", configuration: {
    friendlyName: "doubleread", name: "doubleread", wadoUriRoot: "/dicom-web", qidoRoot: "/dicom-web", wadoRoot: "/dicom-web",
    qidoSupportsIncludeField: true, supportsFuzzyMatching: false, supportsWildcard: true, imageRendering: "wadors",
    thumbnailRendering: "wadors", enableStudyLazyLoad: true, supportsReject: false, dicomUploadEnabled: false,
    bulkDataURI: { enabled: true } } }],
};`;

const kinds: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
};

/** Serves the pages, and passes `/dicom-web` on to `service` in the name of a session. */
export async function serve(dist: string, service: string, cookie: string): Promise<{ base: string; server: Server }> {
  const server = createServer((asked, answer) => {
    const path = new URL(asked.url ?? "/", "http://here").pathname;
    if (path.startsWith("/dicom-web")) {
      const headers = { ...asked.headers, cookie, host: new URL(service).host };
      delete headers.origin;
      const passed = request(service + asked.url, { method: asked.method, headers }, (got) => {
        answer.writeHead(got.statusCode ?? 502, got.headers);
        got.pipe(answer);
      });
      passed.on("error", () => answer.writeHead(502).end());
      asked.pipe(passed);
      return;
    }
    if (path === "/app-config.js") {
      answer.writeHead(200, { "content-type": kinds[".js"] }).end(config);
      return;
    }
    const named = join(dist, normalize(path));
    const file = named.startsWith(dist) && existsSync(named) && statSync(named).isFile() ? named : join(dist, "index.html");
    answer.writeHead(200, { "content-type": kinds[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(answer);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
