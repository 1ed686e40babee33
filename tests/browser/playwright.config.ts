// The browser tests: Debian's Chromium, headless, against a reading room of their own (see README.md).
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "specs",
  timeout: 120_000,
  expect: { timeout: 15_000 },
  // Two cores: the room, its decoders and the browser share them.
  workers: 2,
  fullyParallel: true,
  // A slow moment of a shared machine is tried again there, and is counted as flaky, never as passed.
  retries: process.env.REQUIRE_PEERS === "1" ? 1 : 0,
  forbidOnly: true,
  reporter: [["list"]],
  outputDir: "../../target/browser-results",
  use: {
    viewport: { width: 1600, height: 900 },
    trace: "off",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        // WebGL 2 without a graphics card.
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--ignore-gpu-blocklist",
      ],
    },
  },
});
