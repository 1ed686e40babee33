// Chest findings by search or by number: a combobox over words and other words for them. A finding that is chosen
// takes the next row; the side is asked for next.
import { nextRow } from "./rows";

function matches(option: HTMLElement, typed: string): boolean {
  const words = [option.textContent ?? "", ...(option.dataset["also"] ?? "").split("|")].map((one) => one.toLowerCase());
  return words.some((one) => one.replace(/^\d/, "").split(/[\s,]+/).some((word) => word.startsWith(typed)) || one.includes(` ${typed}`));
}

/** Puts a finding into the next row of its form, and the focus on its side. */
export function addFinding(form: HTMLFormElement, code: string): void {
  const row = nextRow(form);
  if (!row) return;
  const [finding, side] = row.querySelectorAll("select");
  if (!finding) return;
  finding.value = code;
  finding.dispatchEvent(new Event("change", { bubbles: true }));
  side?.focus();
}

/** Makes the finder of each form on the page work. */
export function startFinders(root: ParentNode): void {
  for (const finder of root.querySelectorAll<HTMLElement>("[data-finder]")) start(finder);
}

function start(finder: HTMLElement): void {
  const form = finder.closest("form");
  const input = finder.querySelector("input");
  const list = finder.querySelector<HTMLElement>("[role=listbox]");
  if (!form || !input || !list) return;
  finder.hidden = false;
  const options = [...list.querySelectorAll<HTMLElement>("[role=option]")];
  let active = -1;
  const shown = (): HTMLElement[] => options.filter((option) => !option.hidden);
  const point = (at: number): void => {
    const seen = shown();
    active = seen.length ? (at + seen.length) % seen.length : -1;
    for (const option of options) option.setAttribute("aria-selected", String(option === seen[active]));
    const one = seen[active];
    if (one) {
      input.setAttribute("aria-activedescendant", one.id);
      one.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  const close = (): void => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const search = (): void => {
    const typed = input.value.trim().toLowerCase();
    for (const option of options) option.hidden = typed !== "" && !matches(option, typed);
    list.hidden = typed === "" || shown().length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    point(0);
  };
  const choose = (code: string | undefined): void => {
    if (!code) return;
    input.value = "";
    close();
    addFinding(form, code);
  };
  input.addEventListener("input", search);
  input.addEventListener("blur", () => setTimeout(close, 150));
  input.addEventListener("keydown", (event) => {
    const digit = /^[1-9]$/.test(event.key) && input.value === "" ? event.key : "";
    if (digit) choose(finder.querySelector<HTMLElement>(`[data-digit="${digit}"]`)?.dataset["add"]);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) {
        for (const option of options) option.hidden = false;
        list.hidden = false;
        input.setAttribute("aria-expanded", "true");
      }
      point(active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && input.value === "" && list.hidden) form.requestSubmit(form.querySelector<HTMLElement>("[data-guarded]"));
    else if (event.key === "Enter") choose(shown()[active]?.dataset["code"]);
    else if (event.key === "Escape" && !list.hidden) close();
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => choose((event.target as Element).closest<HTMLElement>("[role=option]")?.dataset["code"]));
  finder.addEventListener("click", (event) => choose((event.target as Element).closest<HTMLElement>("[data-add]")?.dataset["add"]));
}
