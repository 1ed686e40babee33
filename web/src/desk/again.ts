// A session that has ended in mid-read: signing in again without leaving the page, then going on.
import { csrf, make, post } from "./page";
import { forgetWords } from "./words";

const ID = "dr-sign-in";

/** Asks for the password, and goes on with `then` once the same person has signed in. */
export function signInAgain(then: () => void): void {
  if (document.getElementById(ID)) return;
  const dialog = make("dialog", "dr-dialog");
  dialog.id = ID;
  dialog.setAttribute("aria-labelledby", `${ID}-title`);
  const title = make("h2", "", "Your session has ended");
  title.id = `${ID}-title`;
  const form = make("form", "");
  const problem = make("p", "dr-problem");
  problem.setAttribute("role", "alert");
  const [name, password] = [field("name", "Name", "username"), field("password", "Password", "current-password")];
  password.input.type = "password";
  const button = make("button", "nhsuk-button", "Sign in and go on");
  form.append(make("p", "", "What you typed is still here. Sign in to go on with it."), problem, name.box, password.box, button);
  dialog.append(title, form);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    void attempt(name.input.value, password.input.value).then((said) => {
      if (said) {
        problem.textContent = said;
        return;
      }
      dialog.close();
      then();
    });
  });
  dialog.showModal();
}

function field(name: string, label: string, autocomplete: AutoFill): { box: HTMLElement; input: HTMLInputElement } {
  const box = make("div", "nhsuk-form-group");
  const words = make("label", "nhsuk-label", label);
  const input = make("input", "nhsuk-input");
  input.id = `${ID}-${name}`;
  input.name = name;
  input.required = true;
  input.autocomplete = autocomplete;
  words.htmlFor = input.id;
  box.append(words, input);
  return { box, input };
}

/** Begins a session; what went wrong in words, or nothing. */
async function attempt(name: string, password: string): Promise<string | null> {
  let answer: Response;
  try {
    answer = await post("/api/session", { name, password });
  } catch {
    return "The line to the service is down. Try again.";
  }
  const said = (await answer.json().catch(() => ({}))) as { message?: string; csrf_token?: string; user_id?: string };
  if (!answer.ok) return `${said.message ?? "It did not work"}.`;
  if (said.user_id !== document.body.dataset["person"]) {
    // Somebody else: nothing of the person before is theirs.
    forgetWords();
    location.assign("/");
    return "This is another person's page.";
  }
  const meta = document.querySelector('meta[name="csrf-token"]');
  meta?.setAttribute("content", said.csrf_token ?? csrf());
  for (const input of document.querySelectorAll<HTMLInputElement>('input[name="csrf"]')) input.value = csrf();
  return null;
}
