/** Pictures of the host: between its textures, images or video frames and planar tensors. */
import { planarToTextureCode, TEXTURE_TILE, textureToPlanarCode, type TextureKernel } from '../../shaders/host/texture.js';
import { ceilDiv, UseError } from '../graph/index.js';
import type { Engine } from './engine.js';
import type { BufferRange } from './hostBuffers.js';
import { compilePipeline } from './pipelines.js';
import { RENDER_ATTACHMENT, STORAGE_BINDING, TEXTURE_BINDING, TEXTURE_COPY_DST } from './usage.js';

export interface TextureOptions {
  /**
   * Whether a texture's numbers are linear light, as those of a view of a `-srgb` format and of most renderers' targets are. The
   * tensor's are always sRGB's coded numbers, which ViTs and generators take and give. Default: false, coded numbers in both.
   */
  readonly linear?: boolean;
  /** Whether the texture's rows are bottom first, as in OpenGL's convention. Default: false. */
  readonly flipY?: boolean;
}

/** Formats of storage textures that every device can write. */
export type StorageFormat = 'rgba8unorm' | 'rgba16float' | 'rgba32float';

/** Records a copy into the caller's compute pass. `place` is that of a tensor of 3 x H x W values: `program.buffer('x')`. */
export type EncodeTexture = (pass: GPUComputePassEncoder, texture: GPUTexture, place: BufferRange) => void;

const withDefaults = ({ linear = false, flipY = false }: TextureOptions): TextureKernel => ({ linear, flipY });

/** @throws UseError unless the texture has one layer, the usage, and as many pixels as the planes */
function check(what: string, texture: GPUTexture, place: BufferRange, usage: number, name: string): void {
  const { width, height, depthOrArrayLayers, dimension, sampleCount } = texture;
  const fail = (problem: string): never => {
    throw new UseError(`${what}: the texture "${texture.label}" of ${width} x ${height} ${problem}`);
  };
  if (dimension !== '2d' || depthOrArrayLayers !== 1 || sampleCount !== 1) fail('is not a plain picture: one layer, one sample');
  if ((texture.usage & usage) === 0) fail(`was made without GPUTextureUsage.${name}: add it`);
  const bytes = 3 * width * height * 4;
  if (place.size !== bytes) fail(`needs a tensor of 3 x ${height} x ${width} values in f32, ${bytes} bytes, got ${place.size}`);
}

interface Entries {
  readonly layout: readonly GPUBindGroupLayoutEntry[];
  readonly resources: (texture: GPUTexture, place: BufferRange) => GPUBindingResource[];
}

/** @throws KernelError */
async function encoder({ device }: Engine, label: string, code: string, { layout, resources }: Entries) {
  const group = device.createBindGroupLayout({ label, entries: [...layout] });
  const pipeline = await compilePipeline(device, label, { code }, group);
  return (pass: GPUComputePassEncoder, texture: GPUTexture, place: BufferRange): void => {
    const entries = resources(texture, place).map((resource, binding) => ({ binding, resource }));
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ label, layout: group, entries }));
    pass.dispatchWorkgroups(ceilDiv(texture.width, TEXTURE_TILE), ceilDiv(texture.height, TEXTURE_TILE));
  };
}

const visibility = 4; // GPUShaderStage.COMPUTE
const pictureOf = (texture: GPUTexture): GPUTextureView => texture.createView({ mipLevelCount: 1 });

/**
 * Compiles the copy of a texture's colours to a tensor [3, H, W] or [1, 3, H, W] in f32, 0 to 1; alpha is left out. Any format
 * that a shader can load as floats is taken. The copy throws UseError for a texture of another size or without TEXTURE_BINDING.
 * @throws KernelError
 */
export async function textureToPlanar(engine: Engine, options: TextureOptions = {}): Promise<EncodeTexture> {
  const encode = await encoder(engine, 'textureToPlanar', textureToPlanarCode(withDefaults(options)), {
    layout: [
      { binding: 0, visibility, texture: { sampleType: 'unfilterable-float' } },
      { binding: 1, visibility, buffer: { type: 'storage' } },
    ],
    resources: (texture, place) => [pictureOf(texture), place],
  });
  return (pass, texture, place) => {
    check('textureToPlanar', texture, place, TEXTURE_BINDING, 'TEXTURE_BINDING');
    encode(pass, texture, place);
  };
}

/**
 * Compiles the copy of a tensor [3, H, W] or [1, 3, H, W] in f32, clamped to 0..1, to an opaque texture. The copy throws UseError
 * for a texture of another size or format, or without STORAGE_BINDING.
 * @throws KernelError
 */
export async function planarToTexture(
  engine: Engine, options: TextureOptions & { readonly format?: StorageFormat } = {},
): Promise<EncodeTexture> {
  const { format = 'rgba8unorm' } = options;
  const encode = await encoder(engine, 'planarToTexture', planarToTextureCode(withDefaults(options), format), {
    layout: [
      { binding: 0, visibility, buffer: { type: 'read-only-storage' } },
      { binding: 1, visibility, storageTexture: { format, access: 'write-only' } },
    ],
    resources: (texture, place) => [place, pictureOf(texture)],
  });
  return (pass, texture, place) => {
    check('planarToTexture', texture, place, STORAGE_BINDING, 'STORAGE_BINDING');
    if (texture.format !== format) throw new UseError(`planarToTexture: made for ${format}, the texture is ${texture.format}`);
    encode(pass, texture, place);
  };
}

/**
 * A new texture with the pixels of an image, canvas or video frame, for `textureToPlanar`; the caller destroys it. Its numbers
 * are sRGB's coded ones, whatever the profile of the source. For browsers: Dawn's bindings for Node take no such sources.
 */
export function textureFrom({ device }: Engine, source: ImageBitmap | VideoFrame | OffscreenCanvas): GPUTexture {
  const [width, height] = 'displayWidth' in source
    ? [source.displayWidth, source.displayHeight] : [source.width, source.height];
  const usage = TEXTURE_COPY_DST | TEXTURE_BINDING | RENDER_ATTACHMENT;
  const texture = device.createTexture({ label: 'textureFrom', size: [width, height], format: 'rgba8unorm', usage });
  device.queue.copyExternalImageToTexture({ source }, { texture }, [width, height]);
  return texture;
}
