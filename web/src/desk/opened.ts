// Images beyond the standard views must be looked at before an opinion (PATHWAYS R12): what the viewer has shown whole
// is acknowledged by itself. One request at a time: what is shown meanwhile goes with the next.
import { fact, post, told } from "./page";

let waiting = new Set<string>();
let under = false;

export function listenToOpened(): void {
  told<{ sop_instance_uids: string[] }>("dr:opened", ({ sop_instance_uids }) => {
    for (const uid of sop_instance_uids) waiting.add(uid);
    if (!under) void acknowledge();
  });
}

const form = (): HTMLElement | null => document.getElementById("images-to-open");

async function acknowledge(): Promise<void> {
  under = true;
  while (waiting.size > 0) {
    const opened = waiting;
    waiting = new Set();
    await send(opened);
  }
  under = false;
}

async function send(opened: Set<string>): Promise<void> {
  const inputs = [...(form()?.querySelectorAll<HTMLInputElement>('input[name="image"]') ?? [])].filter((input) => opened.has(input.value));
  if (inputs.length === 0) return;
  const caseId = fact("case");
  try {
    const answer = await post(`/api/cases/${caseId}/acknowledge`, { claim_token: fact("claim"), images: inputs.map((input) => input.value) });
    if (!answer.ok || caseId !== fact("case")) return;
  } catch {
    // The button that acknowledges all of them is still there.
    return;
  }
  const left = form();
  if (!left) return;
  for (const input of [...left.querySelectorAll<HTMLInputElement>('input[name="image"]')]) if (opened.has(input.value)) input.remove();
  const count = left.querySelectorAll('input[name="image"]').length;
  const words = left.querySelector("[data-left]");
  if (words) words.textContent = String(count);
  if (count === 0) left.remove();
}
