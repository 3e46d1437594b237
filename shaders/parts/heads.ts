/** Common to the kernels of attention: the layout of heads, loads and stores of four elements of one. */
import { wgsl } from './wgsl.js';

/** Groups of four elements that each of `lanes` lanes holds of a head: lane l has groups l, l + lanes, ... */
export const groupsPerLane = (HS: number, lanes = 1): number => Math.ceil(HS / 4 / lanes);

/** Sizes, `fields` being those of `Dims`, and the start of a head's row: in qkv, with three parts, or in a tensor with fewer. */
export const headLayout = (HS: number, fields = 'T: u32'): string => wgsl`
override C: u32;
override SCALE: f32;  // 1 / sqrt(HS)
const HS = ${HS}u;
const LOG2E = 1.4426950408889634;
struct Dims { ${fields} }
@group(0) @binding(0) var<uniform> dims: Dims;
fn row_start(token: u32, parts: u32, part: u32, head: u32) -> u32 {
  return (token * parts + part) * C + head * HS;
}
`;

/** The type of a buffer of heads: vectors of four if a head is a whole number of them. */
export const headArray = (HS: number): string => (HS % 4 === 0 ? 'array<vec4f>' : 'array<f32>');

/**
 * `load_NAME(start, g)`: elements 4 g ... 4 g + 3 of the head that starts at `start`; zeros past its end, unless the kernel loads
 * no group there (`within`).
 */
export const headLoad = (name: string, HS: number, within = false): string => wgsl`
fn load_${name}(start: u32, g: u32) -> vec4f {
#if ${HS % 4 === 0 && within}
  return ${name}[start / 4u + g];
#elif ${HS % 4 === 0}
  return select(vec4f(), ${name}[start / 4u + g], 4u * g < HS);
#else
  let d = 4u * g + vec4u(0u, 1u, 2u, 3u);
  let at = start + min(d, vec4u(HS - 1u));
  return select(vec4f(), vec4f(${name}[at.x], ${name}[at.y], ${name}[at.z], ${name}[at.w]), d < vec4u(HS));
#endif
}
`;

/** `load_q`, `load_k` and `load_v` (token, head, g): group g, of `type`, of a token's head in qkv, by `LOAD_qkv`. */
export const partLoads = (type: string, load: string): string => wgsl`
fn load_q(token: u32, head: u32, g: u32) -> ${type} { return ${load}_qkv(row_start(token, 3u, 0u, head), g); }
fn load_k(token: u32, head: u32, g: u32) -> ${type} { return ${load}_qkv(row_start(token, 3u, 1u, head), g); }
fn load_v(token: u32, head: u32, g: u32) -> ${type} { return ${load}_qkv(row_start(token, 3u, 2u, head), g); }
`;

/** `store_NAME(start, g, value)`: the counterpart of `load_NAME`. */
export const headStore = (name: string, HS: number): string => wgsl`
fn store_${name}(start: u32, g: u32, value: vec4f) {
  let d = 4u * g;
#if ${HS % 4 === 0}
  if (d < HS) { ${name}[start / 4u + g] = value; }
#else
  if (d < HS) { ${name}[start + d] = value.x; }
  if (d + 1u < HS) { ${name}[start + d + 1u] = value.y; }
  if (d + 2u < HS) { ${name}[start + d + 2u] = value.z; }
  if (d + 3u < HS) { ${name}[start + d + 3u] = value.w; }
#endif
}
`;
