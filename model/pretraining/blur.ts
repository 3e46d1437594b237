/** A Gaussian of deviation `sigma` pixels over a picture [3, side, side], in place, on the CPU; the edge is repeated outwards. */
export function blurred(p: Float32Array, side: number, sigma: number): void {
  const radius = Math.max(1, Math.ceil(3 * sigma));
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-((k - radius) ** 2) / (2 * sigma * sigma)));
  const total = kernel.reduce((sum, w) => sum + w, 0);
  const line = new Float32Array(side);
  const along = (start: number, stride: number): void => {
    for (let i = 0; i < side; i++) {
      let sum = 0;
      kernel.forEach((w, k) => (sum += w * p[start + Math.min(side - 1, Math.max(0, i + k - radius)) * stride]!));
      line[i] = sum / total;
    }
    for (let i = 0; i < side; i++) p[start + i * stride] = line[i]!;
  };
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < side; i++) along((c * side + i) * side, 1);
    for (let i = 0; i < side; i++) along(c * side * side + i, side);
  }
}
