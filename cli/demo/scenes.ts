/**
 * Draws the demo's pair of landscapes, and any number of others like them, by marching rays in a compute kernel.
 * Every picture comes with a mask, so that what a transfer did to sky, ground, water and object can be measured.
 */
import type { Image } from '../../model/image.js';
import { composition, type SceneKind } from './composition.js';
import type { Mask } from './masks.js';
import { house } from './scene/house.js';
import { march } from './scene/march.js';
import { noise } from './scene/noise.js';
import { render } from './scene/render.js';
import { sky } from './scene/sky.js';
import { surface } from './scene/surface.js';
import { terrain } from './scene/terrain.js';

export type { SceneKind } from './composition.js';

export interface SceneOptions {
  readonly kind: SceneKind;
  /** 0 is the committed picture; every other number another valley: ground, light, camera, place of the house. */
  readonly seed?: number;
  readonly width: number;
  readonly height: number;
  /** Rays along one side of a pixel; 3 is nine rays a pixel. */
  readonly samples?: number;
}

/** A picture and, for every pixel, what most of it shows. */
export interface Scene {
  readonly image: Image;
  readonly mask: Mask;
}

/** Pixels along one side of what a single submission draws: software drivers must not be kept busy for seconds. */
const TILE = 64;

const header = /* wgsl */ `
override PEAKS: bool;

const RELIEF_SCALE = 0.0085;
const HOUSE_LEVEL = 1.15;

struct Scene {
  size: vec2u,     // of the picture
  corner: vec2u,   // of the tile
  seed: u32,
  samples: u32,
  camera: vec4f,   // place, exposure
  view: vec4f,     // focal length in picture heights, pitch, yaw
  sun: vec4f,      // direction towards it
  lake: vec4f,     // centre, radii
  summit: vec4f,   // centre, height of the summit, height of the hills
  house: vec4f,    // place, turn
  air: vec4f,      // cloud threshold, cloud drift, haze, roughness of the water
  trees: f32,      // density
}
@group(0) @binding(0) var<uniform> scene: Scene;
@group(0) @binding(1) var<storage, read_write> picture: array<vec4f>;  // [H, W]
`;

const shader = [header, noise, terrain, house, sky, march, surface, render].join('\n');

/** Bytes of the \`Scene\` struct above. */
const SCENE_BYTES = 160;

function sceneBytes(options: Required<SceneOptions>, corner: readonly [number, number]): ArrayBuffer {
  const bytes = new ArrayBuffer(SCENE_BYTES);
  new Uint32Array(bytes).set([options.width, options.height, ...corner, options.seed, options.samples]);
  new Float32Array(bytes, 32).set(composition(options.kind, options.seed));
  return bytes;
}

async function pipelineFor(device: GPUDevice, kind: SceneKind): Promise<GPUComputePipeline> {
  const module = device.createShaderModule({ label: 'scene', code: shader });
  return device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module, entryPoint: 'main', constants: { PEAKS: kind === 'peaks' ? 1 : 0 } },
  });
}

async function drawTile(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  picture: GPUBuffer,
  options: Required<SceneOptions>,
  corner: readonly [number, number],
): Promise<void> {
  const scene = device.createBuffer({ size: SCENE_BYTES, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(scene, 0, sceneBytes(options, corner));
  const bindings = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [
      { binding: 0, resource: { buffer: scene } },
      { binding: 1, resource: { buffer: picture } },
    ],
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindings);
  pass.dispatchWorkgroups(TILE / 8, TILE / 8);
  pass.end();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  scene.destroy();
}

async function readBack(device: GPUDevice, buffer: GPUBuffer): Promise<Float32Array> {
  const staging = device.createBuffer({ size: buffer.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}

/** Splits [H, W, (red, green, blue, label)] into a picture and its mask. */
function unpack(pixels: Float32Array, width: number, height: number): Scene {
  const count = width * height;
  const data = new Float32Array(3 * count);
  const mask = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) data[c * count + i] = pixels[4 * i + c]!;
    mask[i] = pixels[4 * i + 3]!;
  }
  return { image: { width, height, data }, mask: { width, height, data: mask } };
}

/** Draws landscapes of one kind; the kernel is compiled once, which takes seconds on a software driver. */
export async function scenePainter(device: GPUDevice, kind: SceneKind): Promise<(options: Omit<SceneOptions, 'kind'>) => Promise<Scene>> {
  const pipeline = await pipelineFor(device, kind);
  return (options) => paint(device, pipeline, { seed: 0, samples: 3, ...options, kind });
}

/**
 * Draws a landscape and its mask (label numbers: see `labels` in masks.ts).
 * The same options on the same device give the same picture.
 */
export async function drawScene(device: GPUDevice, options: SceneOptions): Promise<Scene> {
  return (await scenePainter(device, options.kind))(options);
}

async function paint(device: GPUDevice, pipeline: GPUComputePipeline, all: Required<SceneOptions>): Promise<Scene> {
  const picture = device.createBuffer({ size: 16 * all.width * all.height, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  for (let y = 0; y < all.height; y += TILE)
    for (let x = 0; x < all.width; x += TILE) await drawTile(device, pipeline, picture, all, [x, y]);
  const pixels = await readBack(device, picture);
  picture.destroy();
  return unpack(pixels, all.width, all.height);
}
