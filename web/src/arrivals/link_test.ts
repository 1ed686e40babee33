// The button that tests the link, without leaving the page: the form's own answer is the page with the result.

/** Sends the form in place, and puts the result that the answer holds into this page. */
export function testOnPress(form: HTMLFormElement): void {
  const button = form.querySelector("button");
  const place = document.querySelector<HTMLElement>("[data-link-result]");
  if (!button || !place) return;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void run(form, button, place);
  });
}

async function run(form: HTMLFormElement, button: HTMLButtonElement, place: HTMLElement): Promise<void> {
  const words = button.textContent ?? "";
  button.disabled = true;
  button.textContent = "Testing the link…";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form) as never) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.querySelector("[data-link-result]");
    const said = found?.children.length ? [...found.children] : [line(page.querySelector("main")?.textContent?.trim() ?? "")];
    place.replaceChildren(...said.map((one) => document.importNode(one, true)));
  } catch {
    place.replaceChildren(line("The service does not answer: nothing was tested."));
  } finally {
    button.disabled = false;
    button.textContent = words;
  }
}

function line(words: string): HTMLElement {
  const line = document.createElement("p");
  line.className = "dr-toast dr-toast--red";
  line.textContent = words;
  return line;
}
