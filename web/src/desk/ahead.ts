// The images of the next cases are loaded while this one is read: once its first image is painted, not before.
import { fact, tell, told } from "./page";

export function listenToReady(): void {
  told("dr:ready", () => void lookAhead());
}

async function lookAhead(): Promise<void> {
  if (!fact("claim")) return;
  const caseId = fact("case");
  try {
    const answer = await fetch("/api/cases/ahead", { credentials: "same-origin" });
    if (!answer.ok || caseId !== fact("case")) return;
    const { displays } = (await answer.json()) as { displays: string[] };
    tell("dr:prefetch", { displays });
  } catch {
    // They load when they are opened.
  }
}
