/** Colour changes of small pictures on the CPU, in place, by torchvision's formulas. Pictures are [3, pixels] in 0..1. */

const clamp = (v: number): number => (v < 0 ? 0 : v > 1 ? 1 : v);

/** Luma as torchvision weighs it. */
const luma = (r: number, g: number, b: number): number => 0.2989 * r + 0.587 * g + 0.114 * b;

/** The adjustments 0 brightness, 1 contrast, 2 saturation (factors) and 3 hue (turn) in the given order. */
export function jitterOrder(p: Float32Array, order: readonly number[], changes: readonly [number, number, number, number]): void {
  const [brightness, contrast, saturation, turn] = changes;
  for (const which of order) {
    if (which === 0) for (let i = 0; i < p.length; i++) p[i] = clamp(p[i]! * brightness);
    else if (which === 1) blendContrast(p, contrast);
    else if (which === 2) blendSaturation(p, saturation);
    else adjustHue(p, turn);
  }
}

/** A factor below 1 moves pixels towards the mean grey of the picture, above 1 away from it. */
function blendContrast(p: Float32Array, factor: number): void {
  const n = p.length / 3;
  let total = 0;
  for (let i = 0; i < n; i++) total += luma(p[i]!, p[n + i]!, p[2 * n + i]!);
  const mean = total / n;
  for (let i = 0; i < p.length; i++) p[i] = clamp(factor * p[i]! + (1 - factor) * mean);
}

/** The same with each pixel's own grey. */
function blendSaturation(p: Float32Array, factor: number): void {
  const n = p.length / 3;
  for (let i = 0; i < n; i++) {
    const own = luma(p[i]!, p[n + i]!, p[2 * n + i]!);
    for (let at = i; at < p.length; at += n) p[at] = clamp(factor * p[at]! + (1 - factor) * own);
  }
}

export const grey = (p: Float32Array): void => blendSaturation(p, 0);

/** Turns the hue by `turn` of the colour circle; saturation and value are kept. */
function adjustHue(p: Float32Array, turn: number): void {
  const n = p.length / 3;
  for (let i = 0; i < n; i++) {
    const [r, g, b] = [p[i]!, p[n + i]!, p[2 * n + i]!];
    const value = Math.max(r, g, b);
    const range = value - Math.min(r, g, b);
    if (range === 0) continue;
    const sixth = value === r ? (g - b) / range : value === g ? 2 + (b - r) / range : 4 + (r - g) / range;
    const turned = sixth + 6 * turn;
    for (let c = 0; c < 3; c++) {
      // A primary falls below the value, by at most the range, if the hue is far from it.
      const k = (((([5, 3, 1][c]! + turned) % 6) + 6) % 6);
      p[c * n + i] = value - range * Math.max(0, Math.min(k, 4 - k, 1));
    }
  }
}

/** Inverts values of half and above. */
export function solarize(p: Float32Array): void {
  for (let i = 0; i < p.length; i++) if (p[i]! >= 0.5) p[i] = 1 - p[i]!;
}
