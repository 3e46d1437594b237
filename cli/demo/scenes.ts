/**
 * Draws the demo's pair of landscapes, and any number of similar ones, by marching rays in a compute kernel. Every picture has a
 * mask, so that the effect of a transfer on sky, ground, water and object can be measured.
 */
import type { Image } from '../../model/image.js';
import { composition, type Moved, type SceneKind } from './composition.js';
import { house } from './scene/house.js';
import { march } from './scene/march.js';
import { noise } from './scene/noise.js';
import { render } from './scene/render.js';
import { sky } from './scene/sky.js';
import { surface } from './scene/surface.js';
import { terrain } from './scene/terrain.js';

/** The labels of a mask, one byte a pixel. */
export const labels = { sky: 0, ground: 1, water: 2, object: 3 } as const;

/** Label numbers, [height, width]. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export type { SceneKind } from './composition.js';

export interface SceneOptions {
  /** 0 is the committed picture; other numbers vary ground, light, camera and the place of the house. */
  readonly seed?: number;
  readonly moved?: Moved;
  readonly width: number;
  readonly height: number;
  /** Rays along one side of a pixel; 3 means nine rays a pixel. */
  readonly samples?: number;
}

/** A picture and, for every pixel, the label of most of it. */
export interface Scene {
  readonly image: Image;
  readonly mask: Mask;
}

/** Side in pixels of what a submission draws: a software driver must not be busy for seconds. */
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

/** Compiles the kernel of a kind, which takes seconds on a software driver. The same options give the same picture. */
export async function scenePainter(device: GPUDevice, kind: SceneKind): Promise<(options: SceneOptions) => Promise<Scene>> {
  const module = device.createShaderModule({ label: 'scene', code: shader });
  const compute = { module, entryPoint: 'main', constants: { PEAKS: Number(kind === 'peaks') } };
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute });
  return (options) => paint(device, pipeline, kind, { seed: 0, samples: 3, moved: [0, 0, 0], ...options });
}

async function paint(
  device: GPUDevice, pipeline: GPUComputePipeline, kind: SceneKind,
  { seed, samples, moved, width, height }: Required<SceneOptions>,
): Promise<Scene> {
  const { UNIFORM, STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const scene = device.createBuffer({ size: SCENE_BYTES, usage: UNIFORM | COPY_DST });
  const picture = device.createBuffer({ size: 16 * width * height, usage: STORAGE | COPY_SRC });
  const staging = device.createBuffer({ size: picture.size, usage: MAP_READ | COPY_DST });
  const entries = [scene, picture].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const bindings = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const submit = (record: (encoder: GPUCommandEncoder) => void): void => {
    const encoder = device.createCommandEncoder();
    record(encoder);
    device.queue.submit([encoder.finish()]);
  };
  device.queue.writeBuffer(scene, 32, new Float32Array(composition(kind, seed, moved)));
  for (let y = 0; y < height; y += TILE) {
    for (let x = 0; x < width; x += TILE) {
      device.queue.writeBuffer(scene, 0, new Uint32Array([width, height, x, y, seed, samples]));
      submit((encoder) => {
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindings);
        pass.dispatchWorkgroups(TILE / 8, TILE / 8);
        pass.end();
      });
      await device.queue.onSubmittedWorkDone();
    }
  }
  submit((encoder) => encoder.copyBufferToBuffer(picture, 0, staging, 0, picture.size));
  await staging.mapAsync(GPUMapMode.READ);
  const drawn = unpack(new Float32Array(staging.getMappedRange()), width, height);
  for (const buffer of [scene, picture, staging]) buffer.destroy();
  return drawn;
}

/** Splits [H, W, (red, green, blue, label)] into a picture and its mask. */
function unpack(pixels: Float32Array, width: number, height: number): Scene {
  const count = width * height;
  const data = Float32Array.from({ length: 3 * count }, (_, i) => pixels[4 * (i % count) + Math.floor(i / count)]!);
  const mask = Uint8Array.from({ length: count }, (_, i) => pixels[4 * i + 3]!);
  return { image: { width, height, data }, mask: { width, height, data: mask } };
}
