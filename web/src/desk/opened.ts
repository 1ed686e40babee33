// Images beyond the standard views must be looked at before an opinion (PATHWAYS R12): what the viewer has shown whole
// is acknowledged by itself.
import { fact, post, told } from "./page";

export function listenToOpened(): void {
  told<{ sop_instance_uids: string[] }>("dr:opened", ({ sop_instance_uids }) => void acknowledge(sop_instance_uids));
}

async function acknowledge(uids: string[]): Promise<void> {
  const form = document.getElementById("images-to-open");
  if (!form) return;
  const waiting = [...form.querySelectorAll<HTMLInputElement>('input[name="image"]')].filter((input) => uids.includes(input.value));
  if (waiting.length === 0) return;
  const images = waiting.map((input) => input.value);
  const caseId = fact("case");
  try {
    const answer = await post(`/api/cases/${caseId}/acknowledge`, { claim_token: fact("claim"), images });
    if (!answer.ok || caseId !== fact("case")) return;
  } catch {
    // The button that acknowledges all of them is still there.
    return;
  }
  for (const input of waiting) input.remove();
  const left = form.querySelectorAll('input[name="image"]').length;
  const words = form.querySelector("[data-left]");
  if (words) words.textContent = String(left);
  if (left === 0) form.remove();
}
