// The rows of PATHWAYS.md through the pages: what the readers do, and what the case has come to.
import { expect, type SignIn, test } from "../base.ts";
import { abnormal, inadequate, letItCount, normal, openCase, recall, type Said, say, startReading, technicalRecall } from "../reading.ts";
import type { Made, NewStudy, Room } from "../room.ts";

type Pathway = "chest" | "mammo";

const AI_NORMAL = {};
const AI_ABNORMAL = { outcome: { result: "abnormal" }, score: 0.9 };
const AI_LEFT = { ...AI_ABNORMAL, breasts: [{ side: "L", score: 0.9, flagged: true }] };
const AI_QUALITY = { outcome: { result: "quality_fail", faults: [{ reason: "clipped" }] }, score: null };
const AI_SILENT = { outcome: { result: "not_processed", reason: "out_of_distribution", detail: "" }, score: null, model: null };

interface Row {
  id: string;
  words: string;
  ai: Record<string, unknown> | null;
  /** What the first, the second and the arbitrating reader say. */
  reads: Said[];
  /** What the case waits for after each of them; `nothing` once it has concluded. */
  waits: string[];
  /** The outcome's opinion and the rule by which it came about. */
  outcome?: string;
  rule: string;
  study?: Partial<NewStudy>;
}

const CHEST: Row[] = [
  { id: "X1", words: "both normal", ai: AI_NORMAL, reads: [normal], waits: ["nothing"], outcome: "normal", rule: "X1" },
  { id: "X2", words: "the AI normal, the reader abnormal", ai: AI_NORMAL, reads: [abnormal("mass", "right"), abnormal("mass", "right")], waits: ["second_read", "nothing"], outcome: "abnormal", rule: "X2" },
  { id: "X3", words: "the AI abnormal, the reader normal", ai: AI_ABNORMAL, reads: [normal, normal], waits: ["second_read", "nothing"], outcome: "normal", rule: "X3" },
  { id: "X4", words: "both abnormal", ai: AI_ABNORMAL, reads: [abnormal("mass", "right")], waits: ["nothing"], outcome: "abnormal", rule: "X4" },
  { id: "X5", words: "no word of the AI", ai: AI_SILENT, reads: [abnormal("nodule", "left")], waits: ["nothing"], outcome: "abnormal", rule: "X5" },
  { id: "X6", words: "inadequate, a repeat is asked for", ai: AI_NORMAL, reads: [inadequate("positioning")], waits: ["nothing"], outcome: "inadequate", rule: "X6" },
  { id: "X7", words: "an urgent finding acts before the second read", ai: AI_NORMAL, reads: [abnormal("pneumothorax", "left", true)], waits: ["second_read"], rule: "X7" },
  { id: "X8", words: "the second reader differs, a third person settles it", ai: AI_NORMAL, reads: [abnormal("mass", "right"), normal, normal], waits: ["second_read", "arbitration", "nothing"], outcome: "normal", rule: "X8" },
];

const MAMMO: Row[] = [
  { id: "M1", words: "both normal", ai: AI_NORMAL, reads: [normal], waits: ["nothing"], outcome: "normal", rule: "M1" },
  { id: "M2", words: "the AI normal, the reader recalls", ai: AI_NORMAL, reads: [recall("left"), recall("left")], waits: ["second_read", "nothing"], outcome: "recall", rule: "M9" },
  { id: "M3", words: "the AI abnormal, the reader normal", ai: AI_LEFT, reads: [normal, normal], waits: ["second_read", "nothing"], outcome: "normal", rule: "M9" },
  { id: "M4", words: "both see a problem", ai: AI_LEFT, reads: [recall("left"), recall("left")], waits: ["second_read", "nothing"], outcome: "recall", rule: "M9" },
  { id: "M5", words: "technical recall while the AI is normal", ai: AI_NORMAL, reads: [technicalRecall({ LMLO: "blurred" })], waits: ["nothing"], outcome: "technical_recall", rule: "M5" },
  { id: "M6", words: "the AI finds the images wanting", ai: AI_QUALITY, reads: [normal, normal], waits: ["second_read", "nothing"], outcome: "normal", rule: "M9" },
  { id: "M7", words: "no word of the AI", ai: AI_SILENT, reads: [normal, normal], waits: ["second_read", "nothing"], outcome: "normal", rule: "M9" },
  { id: "M8", words: "both normal, drawn for quality assurance", ai: AI_NORMAL, reads: [normal, normal], waits: ["second_read", "nothing"], outcome: "normal", rule: "M9", study: { qa_number: 0 } },
  { id: "M9", words: "the second human agrees with the first against the AI", ai: AI_LEFT, reads: [recall("right"), recall("right")], waits: ["second_read", "nothing"], outcome: "recall", rule: "M9" },
  { id: "M10", words: "the second human differs, a third person settles it", ai: AI_NORMAL, reads: [recall("left"), normal, recall("left")], waits: ["second_read", "arbitration", "nothing"], outcome: "recall", rule: "M10" },
];

const READERS = ["anna", "ben", "cara"];

/** What a case waits for, as somebody sees it who does not read. */
async function waitsFor(room: Room, made: Made): Promise<string> {
  await room.tick(made.case_id);
  return (await room.state(made.case_id)).next.waits_for;
}

/** One row: each reader finds the case by the pages and says what the row says. */
async function play(room: Room, signIn: SignIn, pathway: Pathway, row: Row): Promise<Made> {
  for (const name of READERS) await room.person(name, "reader");
  const policy = pathway === "chest" ? "chest-verify" : "mammo-ai-second";
  const made = await room.study({ seed: 30, pathway, policy, ...row.study });
  if (row.ai) await room.ai(made.case_id, row.ai);
  for (const [at, said] of row.reads.entries()) {
    const page = await signIn(READERS[at]);
    if ((await waitsFor(room, made)) === "arbitration") {
      await page.getByRole("button", { name: /settle/i }).first().click();
      expect(await openCase(page)).toBe(made.case_id);
    } else {
      expect(await startReading(page, pathway)).toBe(made.case_id);
    }
    await say(room, page, said);
    await letItCount(page, made.case_id);
    expect(await waitsFor(room, made), `after ${READERS[at]}`).toBe(row.waits[at]);
    await page.context().close();
  }
  return made;
}

for (const [pathway, rows] of [["chest", CHEST], ["mammo", MAMMO]] as const) {
  for (const row of rows) {
    test(`${row.id} ${pathway}: ${row.words}`, async ({ room, signIn }) => {
      const made = await play(room, signIn, pathway, row);
      const state = await room.state(made.case_id);
      if (row.outcome) {
        expect(state.conclusion.outcome.opinion).toBe(row.outcome);
        expect(state.conclusion.rule).toBe(row.rule);
      } else {
        expect(state.conclusion).toBeNull();
      }
    });
  }
}
