// The start page of a reader who wants the images on a second screen: their window opens with the press that starts reading.
import { openSecondScreen } from "../viewer/second_screen";

export function listenToStart(): void {
  const card = document.querySelector("[data-second-screen]");
  card?.addEventListener("submit", (event) => {
    const action = new URL((event.target as HTMLFormElement).action).pathname;
    if (action === "/sessions" || action === "/worklist/next") openSecondScreen();
  });
}
