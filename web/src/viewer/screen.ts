// The only file that names Cornerstone3D: a viewport that draws one image at a size, a place and with a curve of greys
// that the rest of the viewer has worked out. Nothing of Cornerstone's own windowing, cache or tools is used: what
// stands on the screen is what greys.ts and view.ts say.
import { Enums, RenderingEngine, init, metaData, utilities, type Types } from "@cornerstonejs/core";
import vtkDataArray from "@kitware/vtk.js/Common/Core/DataArray.js";
import vtkColorTransferFunction from "@kitware/vtk.js/Rendering/Core/ColorTransferFunction.js";
import type { Level, LoadedFrame } from "./frame";
import type { Curve } from "./greys";
import { axesOf, type View } from "./view";

/** How far from the image the camera stands; without meaning in a parallel projection. */
const DISTANCE = 1000;

interface Shown {
  frame: LoadedFrame;
  level: Level;
  /** Height of a stored pixel over its width. */
  aspect: number;
}

let engine: RenderingEngine | undefined;
let nextId = 1;
const images = new Map<string, Shown>();

function started(): RenderingEngine {
  if (engine) return engine;
  init({ rendering: { webGlContextCount: 1 } } as Parameters<typeof init>[0]);
  metaData.addProvider((type: string, imageId: string) => metadataOf(type, images.get(imageId)), 10);
  engine = new RenderingEngine("doubleread");
  return engine;
}

/** Places in the scene are widths of stored pixels; the middle of the first pixel is at 0. */
function metadataOf(type: string, shown: Shown | undefined): unknown {
  if (!shown) return undefined;
  const { frame, level, aspect } = shown;
  const middle = (level.factor - 1) / 2;
  switch (type) {
    case Enums.MetadataModules.IMAGE_PIXEL:
      return {
        bitsAllocated: level.values.BYTES_PER_ELEMENT * 8,
        bitsStored: frame.attributes.bits_stored,
        highBit: frame.attributes.bits_stored - 1,
        samplesPerPixel: 1,
        photometricInterpretation: "MONOCHROME2",
        pixelRepresentation: frame.attributes.signed ? 1 : 0,
      };
    case Enums.MetadataModules.IMAGE_PLANE:
      return {
        rows: level.rows,
        columns: level.columns,
        rowCosines: [1, 0, 0],
        columnCosines: [0, 1, 0],
        imageOrientationPatient: [1, 0, 0, 0, 1, 0],
        imagePositionPatient: [middle, middle * aspect, 0],
        rowPixelSpacing: level.factor * aspect,
        columnPixelSpacing: level.factor,
        usingDefaultValues: true,
      };
    case Enums.MetadataModules.GENERAL_SERIES:
      return { modality: "OT" };
    default:
      return undefined;
  }
}

function imageOf(imageId: string, { frame, level, aspect }: Shown): Types.IImage {
  const { columns, rows, values, factor } = level;
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({ width: columns, height: rows, scalarData: values, numberOfComponents: 1 });
  return {
    imageId,
    minPixelValue: frame.least,
    maxPixelValue: frame.greatest,
    slope: 1,
    intercept: 0,
    windowCenter: (frame.least + frame.greatest) / 2,
    windowWidth: Math.max(1, frame.greatest - frame.least),
    voiLUTFunction: Enums.VOILUTFunctionType.LINEAR,
    getPixelData: () => values,
    getCanvas: () => document.createElement("canvas"),
    rows,
    columns,
    height: rows,
    width: columns,
    color: false,
    rgba: false,
    numberOfComponents: 1,
    columnPixelSpacing: factor,
    rowPixelSpacing: factor * aspect,
    invert: false,
    sizeInBytes: values.byteLength,
    dataType: values.constructor.name as Types.PixelDataTypedArrayString,
    voxelManager,
  } as Types.IImage;
}

/** One place on the screen where an image is drawn. */
export class Screen {
  private readonly id = `tile-${nextId++}`;
  private readonly viewport: Types.IStackViewport;
  private shown: Shown | null = null;
  private imageId = "";

  /** `element` has to be in the page and to have a size. */
  constructor(private readonly element: HTMLDivElement) {
    const engine = started();
    engine.enableElement({ viewportId: this.id, type: Enums.ViewportType.STACK, element, defaultOptions: { background: [0, 0, 0] } });
    // The tile around it takes the focus.
    element.removeAttribute("tabindex");
    this.viewport = engine.getViewport(this.id) as Types.IStackViewport;
  }

  /** The canvas, black until something is drawn. */
  get canvas(): HTMLCanvasElement {
    return this.viewport.canvas;
  }

  /** Draws an image. `drawn` is called once it stands on the canvas. */
  draw(frame: LoadedFrame, view: View, curve: Curve, drawn?: () => void): void {
    const { aspect } = view;
    const level = levelFor(frame, view.scale * Math.max(1, aspect) * (window.devicePixelRatio || 1));
    if (this.shown?.frame !== frame || this.shown.level !== level || this.shown.aspect !== aspect) {
      const before = this.imageId;
      this.imageId = `doubleread:${this.id}/${nextId++}`;
      this.shown = { frame, level, aspect };
      images.set(this.imageId, this.shown);
      this.viewport.renderImageObject(imageOf(this.imageId, this.shown));
      images.delete(before);
    }
    this.colour(curve);
    this.aim(view);
    if (drawn) this.element.addEventListener(Enums.Events.IMAGE_RENDERED, () => drawn(), { once: true });
    this.viewport.render();
  }

  /** Fits the canvas to its element; something has to be drawn after it. */
  resize(): void {
    started().resize(false, true);
  }

  /** Gives everything back. */
  close(): void {
    images.delete(this.imageId);
    engine?.disableElement(this.id);
  }

  private colour({ nodes, entries }: Curve): void {
    const actor = this.viewport.getDefaultActor()?.actor as unknown as ImageActor | undefined;
    if (!actor) return;
    const curve = vtkColorTransferFunction.newInstance();
    const values = Float64Array.from(nodes.flatMap(([stored, grey]) => [stored, grey, grey, grey, 0.5, 0]));
    curve.buildFunctionFromArray(vtkDataArray.newInstance({ values, numberOfComponents: 6 }));
    actor.getMapper().setColorTextureWidth(entries);
    actor.getProperty().setRGBTransferFunction(0, curve);
    actor.getProperty().setUseLookupTableScalarRange(true);
  }

  private aim(view: View): void {
    const camera = (this.viewport as unknown as { getVtkActiveCamera(): Camera }).getVtkActiveCamera();
    const { a, b, c, d } = axesOf(view);
    // Middles of pixels lie at whole numbers in the scene.
    const [x, y] = [view.centre.x - 0.5, (view.centre.y - 0.5) * view.aspect];
    // The scene is seen along +z; an image that is mirrored is seen from behind.
    const behind = a * d - b * c < 0;
    camera.setFocalPoint(x, y, 0);
    camera.setPosition(x, y, behind ? DISTANCE : -DISTANCE);
    // What points up in the tile: (0, -1) taken back through the axes.
    camera.setViewUp(-b, -d, 0);
    camera.setParallelProjection(true);
    // Half of what is seen from top to bottom, in widths of stored pixels; the canvas gets this many rows when it is drawn.
    const ratio = window.devicePixelRatio || 1;
    camera.setParallelScale(Math.round(this.element.clientHeight * ratio) / 2 / (view.scale * ratio));
    camera.setClippingRange(DISTANCE - 10, DISTANCE + 10);
  }
}

/** The smallest level that still has a value for each pixel of the screen. `scale`: device pixels for the longer side of
 * a stored one. */
function levelFor(frame: LoadedFrame, scale: number): Level {
  const { levels } = frame;
  const fitting = levels.filter((level) => level.factor * scale <= 1.0001);
  return fitting[fitting.length - 1] ?? levels[0]!;
}

interface ImageActor {
  getMapper(): { setColorTextureWidth(entries: number): void };
  getProperty(): {
    setRGBTransferFunction(component: number, curve: unknown): void;
    setUseLookupTableScalarRange(use: boolean): void;
  };
}

interface Camera {
  setFocalPoint(x: number, y: number, z: number): void;
  setPosition(x: number, y: number, z: number): void;
  setViewUp(x: number, y: number, z: number): void;
  setParallelProjection(parallel: boolean): void;
  setParallelScale(scale: number): void;
  setClippingRange(near: number, far: number): void;
}
