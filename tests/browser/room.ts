// The reading room as a process: one command a line in, one answer a line out (examples/reading_room).
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

export type Role = "radiographer" | "reader" | "lead" | "auditor" | "admin";
export const PASSWORD = "a long enough password";

/** A study to push; see `NewStudy` in examples/reading_room/studies.rs. */
export interface NewStudy {
  seed: number;
  pathway: "chest" | "mammo";
  views?: string[];
  size?: [number, number];
  patient?: number;
  name?: string;
  date?: string;
  finding?: string;
  broken?: number;
  files?: string[];
  policy?: string;
  urgent?: boolean;
  qa_number?: number;
  supersedes?: string;
}

export interface Made {
  study: string;
  instances: string[];
  case_id: string;
}

export interface RoomOptions {
  /** How long buttons stay dead after a case has loaded, in milliseconds. */
  deadMs?: number;
  /** How many times faster than the machine's the room's clock runs. */
  pace?: number;
}

export class Room {
  pages = "";
  receiver = "";
  private constructor(
    private readonly process: ChildProcess,
    private readonly lines: Interface,
    private readonly waiting: ((line: string) => void)[] = [],
  ) {}

  static async open({ deadMs = 100, pace = 10 }: RoomOptions = {}): Promise<Room> {
    const folder = process.env.CARGO_TARGET_DIR ?? join(repository, "target");
    const program = join(folder, process.env.READING_ROOM_PROFILE ?? "debug", "examples", "reading_room");
    if (!existsSync(program)) throw new Error(`${program} is missing: cargo build --bins --examples`);
    const env = { ...process.env, READING_ROOM_DEAD_MS: String(deadMs), READING_ROOM_PACE: String(pace) };
    const child = spawn(program, [], { stdio: ["pipe", "pipe", "inherit"], env });
    const room = new Room(child, createInterface({ input: child.stdout! }));
    room.lines.on("line", (line) => room.waiting.shift()?.(line));
    child.on("exit", (code) => room.waiting.splice(0).forEach((tell) => tell(`{"error":"the room ended with ${code}"}`)));
    const first = await room.answer();
    Object.assign(room, first);
    return room;
  }

  private async answer(): Promise<any> {
    const line = await new Promise<string>((tell) => this.waiting.push(tell));
    const answer = JSON.parse(line);
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  /** Sends one command; see `Wish` in examples/reading_room/commands.rs. */
  async ask(command: Record<string, unknown>): Promise<any> {
    this.process.stdin!.write(`${JSON.stringify(command)}\n`);
    return this.answer();
  }

  async person(name: string, ...roles: Role[]): Promise<string> {
    return (await this.ask({ do: "person", name, roles })).user_id;
  }

  async study(study: NewStudy): Promise<Made> {
    return this.ask({ do: "study", ...study });
  }

  /** The order for a study that is to be pushed, as an order system would send it to `/api/orders`. */
  async order(study: NewStudy): Promise<Record<string, any>> {
    return (await this.ask({ do: "order", ...study })).order;
  }

  /** The AI says something of a case: fields that differ from a plain `normal`. */
  async ai(case_id: string, result: Record<string, unknown> = {}): Promise<void> {
    await this.ask({ do: "ai", case_id, result });
  }

  async advance(ms: number): Promise<void> {
    await this.ask({ do: "advance", ms });
  }

  async tick(case_id: string): Promise<void> {
    await this.ask({ do: "tick", case_id });
  }

  /** The state of a case, as the store folds it. */
  async state(case_id: string): Promise<any> {
    return (await this.ask({ do: "state", case_id })).state;
  }

  async close(): Promise<void> {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.stdin!.end();
    await ended;
  }
}
