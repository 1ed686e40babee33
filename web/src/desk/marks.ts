// Marks on the images: asked for here, drawn in the viewer, kept in a hidden field beside their finding.
import { panel, tell, told } from "./page";
import { callAbnormal, foldRows, isUsed, nextRow } from "./rows";

interface Drawn {
  id: string;
  sop_instance_uid: string;
  frame: number;
  x: number;
  y: number;
  width: number;
  height: number;
  side?: string | null;
  view?: string | null;
}

/** A mark that belongs to no row yet: the side on which it is drawn chooses the breast. */
const NEXT = "next";

const fields = (root: ParentNode): HTMLInputElement[] => [...root.querySelectorAll<HTMLInputElement>("[data-mark] input")];
const openForm = (): HTMLFormElement | null =>
  panel()?.querySelector<HTMLFormElement>("details[open] form[data-words], details[open] details[open] form[data-words]") ?? null;

function wordsFor(field: Element): string {
  const chosen = field.closest("[data-row]")?.querySelector("select")?.selectedOptions[0];
  return chosen?.value ? (chosen.textContent ?? "") : "finding";
}

/** Tells the viewer of every mark in the open form, and says beside each finding that it is marked. */
export function showMarks(): void {
  const root = panel();
  if (!root) return;
  for (const field of fields(root)) {
    const box = field.closest<HTMLElement>("[data-mark]");
    const drawn = parse(field.value);
    box?.querySelector("[data-unmark]")?.toggleAttribute("hidden", !drawn);
    const words = box?.querySelector("[data-marked]");
    if (words) words.textContent = drawn ? (drawn.frame > 1 ? `Marked on frame ${drawn.frame}` : "Marked") : "";
    const draw = box?.querySelector("[data-draw]");
    if (draw) draw.textContent = drawn ? "Mark it again" : "Mark it on the image";
  }
  const form = openForm();
  const marks = form ? fields(form).flatMap((field) => {
    const drawn = parse(field.value);
    return drawn ? [{ ...drawn, id: field.name, words: wordsFor(field) }] : [];
  }) : [];
  tell("dr:marks", { marks });
}

function parse(text: string): Omit<Drawn, "id"> | null {
  try {
    return text ? (JSON.parse(text) as Omit<Drawn, "id">) : null;
  } catch {
    return null;
  }
}

/** Asks the viewer for the next mark of the open form; whether there is such a form. */
export function drawNext(): boolean {
  const form = openForm();
  if (!form || fields(form).length === 0) return false;
  const unmarked = fields(form).find((field) => field.value === "" && isUsed(field.closest("[data-row]") ?? field));
  const mammo = form.querySelector("fieldset[data-breast]") !== null;
  const id = !mammo && unmarked ? unmarked.name : NEXT;
  tell("dr:draw-mark", { id, words: unmarked && !mammo ? wordsFor(unmarked) : "finding" });
  return true;
}

/** The row that a mark without a row of its own goes to. */
function rowFor(form: HTMLFormElement, drawn: Drawn): Element | null {
  const breasts = [...form.querySelectorAll<HTMLElement>("fieldset[data-breast]")];
  const breast = breasts.find((one) => one.dataset["breast"] === drawn.side) ?? breasts[0];
  const group = breast ?? form;
  const waiting = [...group.querySelectorAll("[data-row]")].find(
    (row) => isUsed(row) && row.querySelector<HTMLInputElement>("[data-mark] input")?.value === "",
  );
  return waiting ?? nextRow(group);
}

function take(drawn: Drawn): void {
  const form = openForm();
  if (!form) return;
  const named = fields(form).find((field) => field.name === drawn.id);
  const row = named?.closest("[data-row]") ?? (drawn.id === NEXT ? rowFor(form, drawn) : null);
  const field = row?.querySelector<HTMLInputElement>("[data-mark] input");
  if (!row || !field) return;
  const { sop_instance_uid, frame, x, y, width, height } = drawn;
  field.value = JSON.stringify({ sop_instance_uid, frame, x, y, width, height });
  field.dispatchEvent(new Event("input", { bubbles: true }));
  const breast = row.closest("fieldset[data-breast]");
  if (breast) callAbnormal(breast);
  const side = row.querySelector<HTMLSelectElement>('select[name^="side_"]');
  if (side && side.value === "" && (drawn.side === "right" || drawn.side === "left")) side.value = drawn.side;
  (row as HTMLElement).hidden = false;
  showMarks();
  const unanswered = [...row.querySelectorAll("select")].find((select) => select.value === "");
  (unanswered ?? form.querySelector<HTMLElement>("[data-guarded]"))?.focus();
}

export function listenToMarks(): void {
  told<Drawn>("dr:mark", take);
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const draw = target.closest?.<HTMLElement>("[data-draw]");
    if (draw) tell("dr:draw-mark", { id: draw.dataset["draw"], words: wordsFor(draw) });
    const field = target.closest?.("[data-unmark]")?.closest("[data-mark]")?.querySelector("input");
    if (field) {
      field.value = "";
      field.dispatchEvent(new Event("input", { bubbles: true }));
      showMarks();
      foldRows();
    }
    const region = target.closest?.<HTMLElement>("[data-region]");
    if (region) tell("dr:show-region", JSON.parse(region.dataset["region"] ?? "{}"));
  });
  document.addEventListener("toggle", (event) => {
    if ((event.target as Element).matches?.("details[data-fold]")) showMarks();
  }, true);
}
