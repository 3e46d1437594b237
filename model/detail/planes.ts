/** Parts of pictures with any number of channels. */

/** [vertical, horizontal], in pixels. */
export type Size = readonly [number, number];

/** Rows and columns from `from` up to, without, `to`. */
export interface Box {
  readonly from: Size;
  readonly to: Size;
}

export const sizeOfBox = ({ from, to }: Box): [number, number] => [to[0] - from[0], to[1] - from[1]];

/** The index in 0 .. n - 1 that is `i` mirrored at the nearer border; `i` is less than n away from it. */
const mirror = (i: number, n: number): number => n - 1 - Math.abs(n - 1 - Math.abs(i));

/** `box` of planes [C, H, W], mirrored beyond their edges: [C, rows, columns]. */
export function cut(data: Float32Array, [H, W]: Size, { from, to }: Box): Float32Array {
  const [rows, columns] = [to[0] - from[0], to[1] - from[1]];
  const C = data.length / (H * W);
  const part = new Float32Array(C * rows * columns);
  const inside = from[1] >= 0 && to[1] <= W;
  for (let c = 0, at = 0; c < C; c++) {
    for (let y = from[0]; y < to[0]; y++, at += columns) {
      const start = (c * H + mirror(y, H)) * W;
      if (inside) part.set(data.subarray(start + from[1], start + to[1]), at);
      else for (let x = 0; x < columns; x++) part[at + x] = data[start + mirror(from[1] + x, W)]!;
    }
  }
  return part;
}

/** Boxes of at most `side` pixels each way that cover H x W, row by row. */
export function tilesOf([H, W]: Size, side: number): Box[] {
  const boxes: Box[] = [];
  for (let y = 0; y < H; y += side) {
    for (let x = 0; x < W; x += side) boxes.push({ from: [y, x], to: [Math.min(H, y + side), Math.min(W, x + side)] });
  }
  return boxes;
}
