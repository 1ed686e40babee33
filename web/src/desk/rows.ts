// Rows of findings and of marks: those in use and one more are shown, the others wait.
import { panel } from "./page";

const rowsOf = (group: Element): HTMLElement[] => [...group.querySelectorAll<HTMLElement>("[data-row]")];

/** Whether something was chosen or marked in a row. */
export function isUsed(row: Element): boolean {
  const selects = [...row.querySelectorAll("select")].some((select) => select.value !== "");
  return selects || row.querySelector<HTMLInputElement>("[data-mark] input")?.value !== "";
}

/** Groups of rows: the findings of a chest form, the marks of a breast. */
function groups(): Element[] {
  const all = [...(panel()?.querySelectorAll("form[data-words], fieldset[data-breast]") ?? [])];
  return all.filter((group) => rowsOf(group).some((row) => row.parentElement === group));
}

/** Hides the rows that are not in use; the first of a group always stands. */
export function foldRows(): void {
  for (const group of groups()) {
    const rows = rowsOf(group);
    const last = rows.reduce((found, row, at) => (isUsed(row) ? at : found), 0);
    rows.forEach((row, at) => (row.hidden = at > last));
    const another = group.querySelector<HTMLElement>(":scope > [data-another]");
    if (another) another.hidden = last + 1 >= rows.length;
    for (const mark of group.querySelectorAll<HTMLElement>("[data-mark]")) mark.hidden = document.getElementById("viewer") === null;
  }
}

/** Shows the next row of the group, and returns it. */
export function nextRow(group: Element): HTMLElement | null {
  const rows = rowsOf(group);
  const free = rows.find((row) => !isUsed(row)) ?? null;
  if (free) free.hidden = false;
  const another = group.querySelector<HTMLElement>(":scope > [data-another]");
  if (another) another.hidden = !rows.some((row) => row.hidden);
  return free;
}

export function listenToRows(): void {
  document.addEventListener("click", (event) => {
    const another = (event.target as Element).closest?.("[data-another]");
    if (another?.parentElement) nextRow(another.parentElement)?.querySelector("select")?.focus();
  });
  document.addEventListener("change", (event) => {
    const control = event.target as Element;
    const breast = control.closest?.("fieldset[data-breast]");
    if (!breast || !(control instanceof HTMLSelectElement) || control.value === "") return;
    callAbnormal(breast);
  });
  // Escape leaves a field, so that the keys of the page work again (to mark, to turn the image).
  document.addEventListener("keydown", (event) => {
    const control = event.target;
    if (event.key !== "Escape" || event.defaultPrevented || !(control instanceof HTMLElement)) return;
    if (!control.matches("form[data-words] select, form[data-words] input, form[data-words] textarea")) return;
    event.preventDefault();
    panel()?.focus({ preventScroll: true });
  });
  // Enter in a choice sends the form, as it does in a field.
  document.addEventListener("keydown", (event) => {
    const control = event.target;
    if (event.key !== "Enter" || event.isComposing || !(control instanceof HTMLElement)) return;
    if (!control.matches("form[data-words] select, form[data-words] input[type=radio], form[data-words] input[type=checkbox]")) return;
    event.preventDefault();
    const form = control.closest("form");
    form?.requestSubmit(form.querySelector<HTMLElement>("[data-guarded]"));
  });
}

/** A breast with a mark is not normal. */
export function callAbnormal(breast: Element): void {
  const normal = breast.querySelector<HTMLInputElement>('input[type=radio][value="normal"]');
  const abnormal = breast.querySelector<HTMLInputElement>('input[type=radio][value="abnormal"]');
  if (normal?.checked && abnormal) abnormal.checked = true;
}
