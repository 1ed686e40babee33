// The bar above the images: tools, what is done to the chosen image, stages, and what lies over the images.
import { keys } from "../keys";
import type { Tool } from "./gestures";
import type { Viewer } from "./viewer";

/** Tools in the bar; the id is that of their key. */
const TOOLS: [Tool, string][] = [
  ["window", "Window"],
  ["pan", "Move"],
  ["zoom", "Zoom"],
  ["length", "Length"],
  ["lens", "Magnifier"],
];
/** What is done at once, by the id of its key. */
const DOINGS: [string, string][] = [
  ["viewer.fit", "Fit"],
  ["viewer.one-to-one", "1:1"],
  ["viewer.invert", "Invert"],
  ["viewer.turn", "Turn"],
  ["viewer.mirror", "Mirror"],
  ["viewer.flip", "Flip"],
  ["viewer.reset", "Reset"],
];

/** The bar. */
export class Toolbar {
  readonly element = document.createElement("div");
  private readonly tools = new Map<Tool, HTMLButtonElement>();
  private readonly stages = group("Stages");
  private readonly windows = document.createElement("select");
  private readonly ai = button("AI", "viewer.ai");
  private readonly opacity = document.createElement("input");
  private readonly link = button("Linked", "viewer.link");
  private readonly aiGroup = group("AI on the images");

  constructor(private readonly viewer: Viewer) {
    this.element.className = "dr-bar";
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Image tools");
    const tools = group("Tools");
    for (const [tool, words] of TOOLS) {
      const made = button(words, `viewer.tool.${tool}`);
      this.tools.set(tool, made);
      tools.append(made);
    }
    const doings = group("The chosen image");
    doings.append(...DOINGS.map(([id, words]) => button(words, id)));
    this.windows.className = "dr-bar__select";
    this.windows.setAttribute("aria-label", "Window");
    this.windows.addEventListener("change", () => this.preset());
    this.opacity.type = "range";
    this.opacity.min = "0";
    this.opacity.max = "100";
    this.opacity.className = "dr-bar__range";
    this.opacity.setAttribute("aria-label", "How strong the AI's map is");
    this.opacity.addEventListener("input", () => viewer.setAi({ opacity: Number(this.opacity.value) / 100 }));
    this.aiGroup.append(this.ai, this.opacity);
    this.element.append(this.stages, tools, this.windows, doings, this.link, this.aiGroup, button("Second screen", "viewer.second-screen"));
    this.element.addEventListener("click", (event) => {
      const at = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-action]") : null;
      if (at?.dataset["action"]) keys.run(at.dataset["action"]);
    });
  }

  /** Puts everything to how the viewer is now. */
  update(): void {
    const { viewer } = this;
    for (const [tool, made] of this.tools) made.setAttribute("aria-pressed", String(viewer.tool === tool));
    this.drawStages();
    this.drawWindows();
    const images = Object.values(viewer.display?.images ?? {});
    const has = images.some((image) => image.heat_map || image.regions?.length);
    this.aiGroup.hidden = !has;
    this.opacity.hidden = !images.some((image) => image.heat_map);
    this.opacity.value = String(Math.round(viewer.ai.opacity * 100));
    this.ai.setAttribute("aria-pressed", String(viewer.ai.shown));
    this.link.hidden = !viewer.board.hasLinks;
    this.link.setAttribute("aria-pressed", String(viewer.board.linkedOn));
    keys.annotate(this.element);
  }

  private drawStages(): void {
    const { stages, stageAt } = this.viewer;
    this.stages.hidden = stages.length < 2;
    this.stages.replaceChildren(
      ...stages.map((stage, at) => {
        const made = document.createElement("button");
        made.type = "button";
        made.className = "dr-bar__button";
        made.textContent = stage.name;
        made.setAttribute("aria-pressed", String(at === stageAt));
        made.addEventListener("click", () => this.viewer.goTo(at));
        return made;
      }),
    );
  }

  private drawWindows(): void {
    const presets = this.viewer.board.chosen?.presets() ?? [];
    const look = this.viewer.board.chosen?.look;
    const at = presets.findIndex((preset) => JSON.stringify(preset.look) === JSON.stringify(look));
    const options = presets.map((preset, index) => new Option(preset.words, String(index), false, index === at));
    if (at < 0) options.unshift(new Option(presets.length > 0 ? "As dragged" : "Window", "", false, true));
    this.windows.replaceChildren(...options);
    this.windows.disabled = presets.length === 0;
  }

  private preset(): void {
    const preset = this.viewer.board.chosen?.presets()[Number(this.windows.value)];
    if (this.windows.value === "" || !preset) return;
    for (const tile of this.viewer.aimed()) {
      const own = tile.presets().find((one) => one.words === preset.words);
      if (own) tile.setLook(own.look);
    }
    this.update();
  }
}

function group(name: string): HTMLDivElement {
  const made = document.createElement("div");
  made.className = "dr-bar__group";
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", name);
  return made;
}

/** A button that does what a key does, and shows it. */
function button(words: string, id: string): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "dr-bar__button";
  made.dataset["action"] = id;
  const key = document.createElement("kbd");
  key.className = "dr-bar__key";
  key.dataset["keyOf"] = id;
  key.setAttribute("aria-hidden", "true");
  made.append(words, key);
  return made;
}
