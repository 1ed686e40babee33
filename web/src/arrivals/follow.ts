// Follows the arrivals by server-sent events. The rows come from the server as it draws them; what is new here is that a
// repeat is said aloud once, and that whoever has the keyboard on a line keeps it there.

interface Line {
  study_instance_uid: string;
  name: string;
  repeat: string | null;
}

/** Puts each change into the table body `list`. */
export function follow(list: HTMLElement): void {
  const one = (name: string) => document.querySelector<HTMLElement>(`[data-follow-${name}]`);
  const [state, alert, empty, scroll] = [one("state"), one("alert"), one("empty"), one("list")];
  const say = (words: string) => {
    if (state) state.textContent = words;
  };
  const told = new Set(
    [...list.querySelectorAll<HTMLElement>(".dr-row--repeat")].map((row) => row.dataset["study"] ?? ""),
  );
  const source = new EventSource(list.dataset["follow"] ?? "");
  source.addEventListener("open", () => say("The list follows by itself."));
  source.addEventListener("arrivals", (event) => {
    const { lines, rows }: { lines: Line[]; rows: string } = JSON.parse((event as MessageEvent<string>).data);
    const held = document.activeElement?.closest<HTMLElement>("[data-study]")?.dataset["study"];
    list.innerHTML = rows;
    if (held) list.querySelector<HTMLElement>(`[data-study="${CSS.escape(held)}"] a`)?.focus();
    empty?.toggleAttribute("hidden", lines.length > 0);
    scroll?.toggleAttribute("hidden", lines.length === 0);
    const fresh = lines.filter((line) => line.repeat && !told.has(line.study_instance_uid));
    for (const line of fresh) told.add(line.study_instance_uid);
    if (alert && fresh.length) alert.textContent = fresh.map((line) => `Repeat needed: ${line.name}. ${line.repeat}`).join(" ");
  });
  source.addEventListener("ended", () => {
    source.close();
    say("You have been signed out: reload the page and sign in to go on.");
  });
  source.addEventListener("error", () =>
    say(
      source.readyState === EventSource.CLOSED
        ? "The list does not follow by itself now: reload the page to see what has changed."
        : "The connection is lost; it is tried again. What is below may be old.",
    ),
  );
}
