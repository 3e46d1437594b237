/** Pictures between a texture and planes [3, H, W]: kernels that are no ops, because a graph holds no textures. */
import { wgsl } from '../parts/wgsl.js';

/** Side of a workgroup, in pixels. */
export const TEXTURE_TILE = 8;

export interface TextureKernel {
  /** The texture's numbers are linear light, the planes' are sRGB's coded ones. */
  readonly linear: boolean;
  /** The texture's first row is the planes' last one. */
  readonly flipY: boolean;
}

/** sRGB's curves (IEC 61966-2-1) for values from 0 to 1. */
const curves = wgsl`
fn coded(c: vec3f) -> vec3f {
  return select(1.055 * pow(c, vec3f(1.0 / 2.4)) - 0.055, 12.92 * c, c <= vec3f(0.0031308));
}
fn light(c: vec3f) -> vec3f {
  return select(pow((c + 0.055) / 1.055, vec3f(2.4)), c / 12.92, c <= vec3f(0.04045));
}
`;

const frame = (bindings: string, flipY: boolean, body: string): string => wgsl`
${bindings}
${curves}
@compute @workgroup_size(${TEXTURE_TILE}, ${TEXTURE_TILE})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let size = textureDimensions(image);
  if (any(id.xy >= size)) { return; }
#if ${flipY}
  let at = vec2u(id.x, size.y - 1u - id.y);
#else
  let at = id.xy;
#endif
  let pixel = id.y * size.x + id.x;
  let plane = size.x * size.y;
${body}
}
`;

/** Planes of a texture's colours; its alpha is left out. */
export const textureToPlanarCode = ({ linear, flipY }: TextureKernel): string => frame(wgsl`
@group(0) @binding(0) var image: texture_2d<f32>;                    // H x W
@group(0) @binding(1) var<storage, read_write> planes: array<f32>;  // [3, H, W]
`, flipY, wgsl`
  var colour = textureLoad(image, at, 0).rgb;
#if ${linear}
  colour = coded(clamp(colour, vec3f(0.0), vec3f(1.0)));
#endif
  planes[pixel] = colour.r;
  planes[plane + pixel] = colour.g;
  planes[2u * plane + pixel] = colour.b;
`);

/** An opaque texture of planes, whose values are clamped to 0..1. */
export const planarToTextureCode = ({ linear, flipY }: TextureKernel, format: string): string => frame(wgsl`
@group(0) @binding(0) var<storage, read> planes: array<f32>;  // [3, H, W]
@group(0) @binding(1) var image: texture_storage_2d<${format}, write>;
`, flipY, wgsl`
  let given = vec3f(planes[pixel], planes[plane + pixel], planes[2u * plane + pixel]);
  var colour = clamp(given, vec3f(0.0), vec3f(1.0));
#if ${linear}
  colour = light(colour);
#endif
  textureStore(image, at, vec4f(colour, 1.0));
`);
