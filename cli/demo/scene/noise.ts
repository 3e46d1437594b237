/** Part of a drawing, not an op: lattice noise with integer hashes, so that every device draws the same hills. */
export const noise = /* wgsl */ `
/** A number in 0..1 for a lattice cell; \`layer\` separates different uses. */
fn hash(cell: vec2i, layer: u32) -> f32 {
  var h = (bitcast<u32>(cell.x) * 0x9e3779b1u) ^ (bitcast<u32>(cell.y) * 0x85ebca77u) ^ ((scene.seed + layer) * 0xc2b2ae3du);
  h = (h ^ (h >> 15u)) * 0x2c1b3c6du;
  h = (h ^ (h >> 12u)) * 0x297a2d39u;
  return f32((h ^ (h >> 15u)) >> 8u) / 16777216.0;
}

/** Value noise with its gradient: (value in 0..1, d/dx, d/dy). Quintic weights keep the slope smooth. */
fn noise_slope(p: vec2f) -> vec3f {
  let cell = vec2i(floor(p));
  let f = fract(p);
  let u = f * f * f * (f * (f * 6.0 - 15.0) + 10.0);
  let du = 30.0 * f * f * (f * (f - 2.0) + 1.0);
  let a = hash(cell, 0u);
  let b = hash(cell + vec2i(1, 0), 0u);
  let c = hash(cell + vec2i(0, 1), 0u);
  let d = hash(cell + vec2i(1, 1), 0u);
  let k = a - b - c + d;
  let value = a + (b - a) * u.x + (c - a) * u.y + k * u.x * u.y;
  return vec3f(value, du * (vec2f(b - a, c - a) + k * u.yx));
}

fn noise(p: vec2f) -> f32 { return noise_slope(p).x; }

/** Turns and doubles the lattice between octaves, so that their grids never line up. */
const OCTAVE = mat2x2f(1.6, -1.2, 1.2, 1.6);

/** Sum of octaves in 0..1. */
fn fbm(start: vec2f, octaves: u32) -> f32 {
  var p = start;
  var sum = 0.0;
  var weight = 0.5;
  for (var i = 0u; i < octaves; i++) {
    sum += weight * noise(p);
    weight *= 0.5;
    p = OCTAVE * p;
  }
  return sum;
}

/**
 * Octaves that fade if the sum so far is steep: sharp crests over smooth flanks, as after erosion
 * (Quilez, "Value noise derivatives", 2008).
 */
fn eroded(start: vec2f, octaves: u32) -> f32 {
  var p = start;
  var sum = 0.0;
  var weight = 0.5;
  var slope = vec2f(0.0);
  for (var i = 0u; i < octaves; i++) {
    let n = noise_slope(p);
    slope += n.yz;
    sum += weight * n.x / (1.0 + dot(slope, slope));
    weight *= 0.5;
    p = OCTAVE * p;
  }
  return sum;
}
`;
