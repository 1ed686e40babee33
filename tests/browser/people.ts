// Reads over the API, where somebody else's read is only the scene of a test.
import { type APIRequestContext, expect, request } from "@playwright/test";
import { PASSWORD, type Room } from "./room.ts";

/** More than the two seconds in which the server takes an opinion for an accidental click (R13). */
const A_LOOK_MS = 10_000;

/** Somebody who works over the API. */
export class Person {
  private constructor(
    private readonly room: Room,
    readonly context: APIRequestContext,
  ) {}

  static async signIn(room: Room, name: string): Promise<Person> {
    const anonymous = await request.newContext({ baseURL: room.pages });
    const answer = await anonymous.post("/api/session", { data: { name, password: PASSWORD } });
    expect(answer.status(), await answer.text()).toBe(200);
    const { csrf_token } = await answer.json();
    const context = await request.newContext({
      baseURL: room.pages,
      extraHTTPHeaders: { "X-CSRF-Token": csrf_token },
      storageState: await anonymous.storageState(),
    });
    return new Person(room, context);
  }

  async post(path: string, data: unknown = {}): Promise<any> {
    const answer = await this.context.post(path, { data });
    expect(answer.ok(), `${path}: ${await answer.text()}`).toBe(true);
    return answer.json();
  }

  /** Opens a case and locks an opinion; it counts at once where the policy does not wait, and by hand where it does. */
  async read(case_id: string, opinion: Record<string, unknown>): Promise<string> {
    const opened = await this.post(`/api/cases/${case_id}/claim`);
    await this.room.advance(A_LOOK_MS);
    const locked = await this.post(`/api/cases/${case_id}/reads`, { claim_token: opened.claim_token, opinion });
    const own = locked.case.own;
    if (!own.finalised_at) await this.post(`/api/cases/${case_id}/reads/${own.id}/finalise`);
    return own.id;
  }
}

export const CHEST_NORMAL = { pathway: "chest", opinion: "normal" };
export const chestAbnormal = (code: string, side: string | null = null, urgent = false) => ({
  pathway: "chest",
  opinion: "abnormal",
  findings: [{ code, side, zone: null, confidence: null, urgent, mark: null }],
});
export const MAMMO_NORMAL = { pathway: "mammo", opinion: "normal" };
export const recall = (side: "left" | "right") => ({
  pathway: "mammo",
  opinion: "recall",
  right: { assessment: "normal", marks: [] },
  left: { assessment: "normal", marks: [] },
  [side]: { assessment: "abnormal", marks: [{ feature: "mass", concern: "4", mark: null }] },
});
