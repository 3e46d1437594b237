/** Colour changes of small pictures on the CPU, in place, by torchvision's formulas. Pictures are [3, pixels] in 0..1. */

const clamp = (v: number): number => (v < 0 ? 0 : v > 1 ? 1 : v);

/** Luma as torchvision weighs it. */
const luma = (r: number, g: number, b: number): number => 0.2989 * r + 0.587 * g + 0.114 * b;

/** The adjustments 0 brightness, 1 contrast, 2 saturation, 3 hue in the given order. */
export function jitterOrder(p: Float32Array, order: readonly number[], [brightness, contrast, saturation]: readonly [number, number, number], hue: (p: Float32Array) => void): void {
  for (const which of order) {
    if (which === 0) for (let i = 0; i < p.length; i++) p[i] = clamp(p[i]! * brightness);
    else if (which === 1) blendContrast(p, contrast);
    else if (which === 2) blendSaturation(p, saturation);
    else hue(p);
  }
}

/** Towards (below 1) or away from the mean grey of the picture. */
function blendContrast(p: Float32Array, factor: number): void {
  const n = p.length / 3;
  let total = 0;
  for (let i = 0; i < n; i++) total += luma(p[i]!, p[n + i]!, p[2 * n + i]!);
  const mean = total / n;
  for (let i = 0; i < p.length; i++) p[i] = clamp(factor * p[i]! + (1 - factor) * mean);
}

/** Towards (below 1) or away from each pixel's own grey. */
function blendSaturation(p: Float32Array, factor: number): void {
  const n = p.length / 3;
  for (let i = 0; i < n; i++) {
    const own = luma(p[i]!, p[n + i]!, p[2 * n + i]!);
    for (let at = i; at < p.length; at += n) p[at] = clamp(factor * p[at]! + (1 - factor) * own);
  }
}

export const grey = (p: Float32Array): void => blendSaturation(p, 0);

/** Turns the hue by `turn` of the colour circle, saturation and value kept. */
export function adjustHue(p: Float32Array, turn: number): void {
  const n = p.length / 3;
  for (let i = 0; i < n; i++) {
    const [r, g, b] = [p[i]!, p[n + i]!, p[2 * n + i]!];
    const value = Math.max(r, g, b);
    const range = value - Math.min(r, g, b);
    if (range === 0) continue;
    const sixth = value === r ? (g - b) / range : value === g ? 2 + (b - r) / range : 4 + (r - g) / range;
    const turned = sixth + 6 * turn;
    for (let c = 0; c < 3; c++) {
      // Of each primary the value falls by the range where the hue is far from it.
      const k = (((([5, 3, 1][c]! + turned) % 6) + 6) % 6);
      p[c * n + i] = value - range * Math.max(0, Math.min(k, 4 - k, 1));
    }
  }
}

/** Values of half and above are turned into their negatives. */
export function solarize(p: Float32Array): void {
  for (let i = 0; i < p.length; i++) if (p[i]! >= 0.5) p[i] = 1 - p[i]!;
}
