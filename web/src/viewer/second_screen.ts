// Opens the window of the images for a second screen. Browsers allow that in answer to a press only; a window of this name
// that is there already is used again, and stays as it is.
import { deskNumber } from "./channel";

export function openSecondScreen(): void {
  const { availWidth: width, availHeight: height } = screen;
  window.open(`/viewer#${deskNumber()}`, "doubleread-viewer", `popup,left=${width},top=0,width=${width},height=${height}`);
}
