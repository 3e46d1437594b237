/** Images as rows of patches. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

const sizes = wgsl`
override C: u32;
override P: u32;
struct Dims { N: u32, H: u32, W: u32, ROWS: u32, COLS: u32 }  // ROWS x COLS whole patches
@group(0) @binding(0) var<uniform> dims: Dims;
`;

/** y[b, row, col, c, py, px] = x[b, c, row P + py, col P + px]; partial patches at the right and bottom are dropped. */
export const patchifyForward = spanKernel('dims.N', wgsl`
${sizes}
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [B, ROWS * COLS, C * P * P]
`, wgsl`
  let px = i % P;
  let py = (i / P) % P;
  let c = (i / (P * P)) % C;
  let patch_index = i / (P * P * C);
  let col = patch_index % dims.COLS;
  let row = (patch_index / dims.COLS) % dims.ROWS;
  let b = patch_index / (dims.COLS * dims.ROWS);
  y[i] = x[((b * C + c) * dims.H + row * P + py) * dims.W + col * P + px];
`);

/** dx[b, c, h, w] = dy of the pixel's position in its patch, or 0 if no whole patch covers it. */
export const patchifyBackward = spanKernel('dims.N', wgsl`
${sizes}
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [B, ROWS * COLS, C * P * P]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [B, C, H, W]
`, wgsl`
  let w = i % dims.W;
  let h = (i / dims.W) % dims.H;
  let c = (i / (dims.W * dims.H)) % C;
  let b = i / (dims.W * dims.H * C);
  let row = h / P;
  let col = w / P;
  let patch_index = (b * dims.ROWS + row) * dims.COLS + col;
  let at = ((patch_index * C + c) * P + h % P) * P + w % P;
  dx[i] = select(0.0, dy[at], row < dims.ROWS && col < dims.COLS);
`);
