/** Kernels that reduce the channels of pictures: by chunks if a channel is large, else a channel at a time. */
import { GROUP_INDEX } from './common.js';
import { reducingKernel } from './rows.js';
import { wgsl } from './wgsl.js';

const sizes = wgsl`
struct Dims { B: u32, C: u32, HW: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
`;

/** A kernel with a workgroup for each `chunk` of CHUNK elements of a plane; a channel has S. `index` is its number. */
export const chunkKernel = (oneSubgroup: boolean, declarations: string, body: string): string => reducingKernel(oneSubgroup, wgsl`
override CHUNK: u32;
${sizes}
struct Chunk { c: u32, first: u32, count: u32 }

fn chunks_per_plane() -> u32 { return (dims.HW + CHUNK - 1u) / CHUNK; }
fn chunks_per_channel() -> u32 { return dims.B * chunks_per_plane(); }

/** Elements of chunk s; only the last of a plane has fewer than CHUNK. */
fn chunk_count(s: u32) -> u32 { return min(CHUNK, dims.HW - (s % chunks_per_plane()) * CHUNK); }

/** Channels follow each other, in each the images; \`first\` is the chunk's first element in a [B, C, H, W] tensor. */
fn chunk_at(index: u32) -> Chunk {
  let c = index / chunks_per_channel();
  let s = index % chunks_per_channel();
  let plane = (s / chunks_per_plane()) * dims.C + c;
  return Chunk(c, plane * dims.HW + (s % chunks_per_plane()) * CHUNK, chunk_count(s));
}
${declarations}
`, wgsl`
  let index = ${GROUP_INDEX};
  if (index >= dims.C * chunks_per_channel()) { return; }
  let chunk = chunk_at(index);
${body}
`);

/** A kernel with a workgroup per channel `c`. `plane_start(image, c)` is the first element of a plane. */
export const channelKernel = (oneSubgroup: boolean, declarations: string, body: string): string =>
  reducingKernel(oneSubgroup, wgsl`
${sizes}
fn plane_start(image: u32, c: u32) -> u32 { return (image * dims.C + c) * dims.HW; }
${declarations}
`, wgsl`
  let c = group.x;
${body}
`);
