// Figures instead of tests: one at a time, nothing beside it (see README.md).
import { defineConfig } from "@playwright/test";
import tests from "./playwright.config.ts";

export default defineConfig(tests, { testDir: "measure", workers: 1, fullyParallel: false });
