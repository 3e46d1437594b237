/** Part of a drawing, not an op: materials and the light on them. */
export const surface = /* wgsl */ `
/** A surface in the light. */
struct Surface {
  albedo: vec3f,
  normal: vec3f,
  open: f32,  // visible share of the sky
  glow: f32,  // light of its own
}

/** Light of sun, sky and ground on a matt surface. */
fn lit(at: Surface, p: vec3f) -> vec3f {
  let towards = max(dot(at.normal, scene.sun.xyz), 0.0);
  var sun = vec3f(0.0);
  if (towards > 0.0) { sun = sun_colour() * towards * sunlight(p + 0.06 * at.normal); }
  let ground_tint = select(vec3f(0.5, 0.6, 0.3), vec3f(0.6, 0.6, 0.9), PEAKS);
  let bounce = 0.16 * sun_colour() * max(0.4 - 0.6 * at.normal.y, 0.0) * ground_tint;
  return at.albedo * (sun + at.open * (sky_light() * (0.55 + 0.45 * at.normal.y) + bounce) + at.glow);
}

fn ground_normal(p: vec2f, t: f32) -> vec3f {
  let e = max(0.05, 0.0016 * t);
  let octaves = select(7u, 10u, t < 160.0);
  // A loop, because every call of ground in the text is compiled again.
  var heights = vec3f(0.0);
  for (var i = 0u; i < 3u; i++) { heights[i] = ground(p + e * vec2f(f32(i == 1u), f32(i == 2u)), octaves); }
  return normalize(vec3f(heights.x - heights.y, e, heights.x - heights.z));
}

fn tree_normal(p: vec2f, t: f32) -> vec3f {
  let e = max(0.08, 0.0016 * t);
  var heights = vec3f(0.0);
  for (var i = 0u; i < 3u; i++) { heights[i] = trees(p + e * vec2f(f32(i == 1u), f32(i == 2u))); }
  return normalize(vec3f(heights.x - heights.y, 0.8 * e, heights.x - heights.z));
}

/** A scatter of small flowers over a meadow: colour and, in w, whether one is here. */
fn flower(p: vec2f) -> vec4f {
  let q = p * 2.6;
  let cell = vec2i(floor(q));
  let centre = vec2f(cell) + 0.2 + 0.6 * vec2f(hash(cell, 30u), hash(cell, 31u));
  let here = step(distance(q, centre), 0.14) * step(hash(cell, 32u), 0.7 * smoothstep(0.4, 0.7, noise(p * 0.31)));
  return vec4f(mix(vec3f(0.85, 0.80, 0.75), vec3f(0.80, 0.55, 0.05), step(0.55, hash(cell, 33u))), here);
}

fn bare_colour(p: vec3f, n: vec3f) -> vec3f {
  let coarse = fbm(p.xz * 0.09, 4u);
  let fine = fbm(p.xz * 1.9, 6u);
  let layers = fbm(vec2f(0.10 * (p.x + p.z), 0.45 * p.y + 0.06 * p.x), 4u);
  let stone = select(vec3f(0.27, 0.25, 0.22), vec3f(0.15, 0.14, 0.18), PEAKS);
  let rock = stone * (0.25 + 1.7 * layers * (0.5 + fbm(p.xz * 0.35, 4u)));
  let sand = select(vec3f(0.42, 0.35, 0.24), vec3f(0.30, 0.29, 0.33), PEAKS) * (0.45 + 1.1 * fine);
  var cover = mix(vec3f(0.07, 0.20, 0.015), vec3f(0.22, 0.32, 0.035), coarse) * (0.4 + 1.2 * fine);
  // Distant flowers are smaller than a sample and would only flicker.
  if (p.z < 55.0) {
    let bloom = flower(p.xz);
    cover = mix(cover, bloom.xyz, bloom.w);
  }
  var steep = smoothstep(0.72, 0.58, n.y + 0.25 * (coarse - 0.5));
  if (PEAKS) {
    cover = vec3f(0.83, 0.87, 0.95) * (0.93 + 0.12 * fine);
    steep = smoothstep(0.50, 0.36, n.y + 0.5 * (fbm(p.xz * 0.16, 4u) - 0.42));
  }
  let wet = smoothstep(0.2, 0.04, p.y + 0.2 * (fine - 0.5));
  return mix(mix(cover, rock, steep), sand, wet);
}

fn ground_surface(p: vec3f, t: f32) -> Surface {
  let height = p.y - ground(p.xz, 4u);
  if (height < 0.1 || trees(p.xz) < 0.15) {
    let n = ground_normal(p.xz, t);
    return Surface(bare_colour(p, n), n, 1.0, 0.0);
  }
  let leaf = fbm(p.xz * 3.1 + p.y * 2.3, 3u);
  let open = clamp(0.25 + 0.28 * height, 0.0, 1.0);
  var colour = mix(vec3f(0.03, 0.10, 0.015), vec3f(0.14, 0.24, 0.03), leaf + 0.6 * (noise(p.xz * 0.21) - 0.5));
  if (PEAKS) { colour = mix(vec3f(0.012, 0.032, 0.034), vec3f(0.80, 0.84, 0.93), smoothstep(0.56, 0.74, leaf + 0.12 * open)); }
  let ruffled = vec3f(noise(p.xz * 5.0), noise(p.xz * 5.0 + 7.0), noise(p.xz * 5.0 + p.y * 4.0)) - 0.5;
  return Surface(colour, normalize(tree_normal(p.xz, t) + 0.6 * ruffled), open, 0.0);
}

fn house_surface(p: vec3f, part: f32) -> Surface {
  let q = to_house(p);
  let n = house_normal(q);
  let paint = house_colour(q, n, part);
  return Surface(paint.xyz, turn_from_house(n), 0.9, paint.w);
}

/** Colour of anything but water. */
fn shade(origin: vec3f, ray: vec3f, hit: Hit) -> vec3f {
  if (hit.label == SKY) { return sky_colour(ray); }
  let p = origin + hit.distance * ray;
  var at = Surface();
  if (hit.label == OBJECT) { at = house_surface(p, hit.part); } else { at = ground_surface(p, hit.distance); }
  return through_air(lit(at, p), ray, origin, hit.distance);
}
`;
