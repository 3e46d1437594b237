/** The patches of the appearance that a region of the picture is compared with. */
import type { TokenMatches } from './matches.js';
import { type Box, type Size } from './planes.js';

/** The cells of a grid of rows x columns over H x W that overlap a box: [first, end) of rows, then of columns. */
const cellsOf = ({ from, to }: Box, size: Size, grid: Size): [number, number][] => [0, 1].map((axis) => {
  const cell = (at: number): number => Math.min(Math.max((at * grid[axis]!) / size[axis]!, 0), grid[axis]!);
  return [Math.min(Math.floor(cell(from[axis]!)), grid[axis]! - 1), Math.max(Math.ceil(cell(to[axis]!)), 1)];
});

/** True for the appearance's cells that match a region of the picture of `size`. */
export function matchingCells({ picture, appearance, best, count }: TokenMatches, region: Box, size: Size): Uint8Array {
  const cells = new Uint8Array(appearance[0] * appearance[1]);
  const [rows, columns] = cellsOf(region, size, picture) as [[number, number], [number, number]];
  for (let r = rows[0]; r < rows[1]; r++) {
    for (let c = columns[0]; c < columns[1]; c++) {
      const token = r * picture[1] + c;
      for (const cell of best.subarray(token * count, (token + 1) * count)) cells[cell] = 1;
    }
  }
  return cells;
}

/**
 * Corners y * W + x of at most `most` patches of an appearance of H x W, evenly spread over the `cells` of a grid whose patches'
 * middles they contain; over all of it without `cells`.
 */
export function keyCorners([H, W]: Size, patch: number, most: number, cells?: Uint8Array, grid: Size = [1, 1]): Int32Array {
  const allowed = cells ?? Uint8Array.of(1);
  const share = allowed.reduce((sum, v) => sum + v, 0) / allowed.length;
  const step = Math.max(1, Math.floor(Math.sqrt((share * H * W) / most)));
  const half = patch / 2;
  const found: number[] = [];
  for (let y = 0; y + patch <= H; y += step) {
    const row = Math.floor(((y + half) * grid[0]) / H) * grid[1];
    for (let x = 0; x + patch <= W; x += step) {
      if (allowed[row + Math.floor(((x + half) * grid[1]) / W)]) found.push(y * W + x);
    }
  }
  const count = Math.min(found.length, most);
  return Int32Array.from({ length: count }, (_, i) => found[Math.floor((i * found.length) / count)]!);
}
