// The entry of the viewer: keys and the first images at once, the heavy part (Cornerstone3D) as soon as it has come.
import "./keys";
import { fetchEarly } from "./viewer/display";
import { Frames } from "./viewer/frames";

const frames = new Frames();
const place = document.getElementById("viewer");
const second = document.getElementById("second-viewer");
const who = document.getElementById("second-who");

if (place) {
  const url = place.dataset["display"];
  if (url) void begin(url);
  void import("./viewer/main_window").then(({ mount }) => mount(place, frames));
} else if (second && who) {
  void import("./viewer/second_window").then(({ mountSecond }) => mountSecond(second, who, frames));
}

/** Asks for the images of the first stage while the rest of the viewer is still on its way. */
async function begin(url: string): Promise<void> {
  const display = await fetchEarly(url).catch(() => null);
  for (const { image } of display?.stages[0]?.tiles ?? []) {
    const found = image === null ? undefined : display?.images[image];
    if (image !== null && found) void frames.load(image, found.pixels).catch(() => undefined);
  }
}
