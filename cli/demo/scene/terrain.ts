/** Part of a drawing, not an op: a lake in the foreground, hills or mountains around it, and trees on them. */
export const terrain = /* wgsl */ `
/** Distance from the shore in units of the lake's radius: negative in the water. */
fn shore(p: vec2f) -> f32 {
  let wobble = fbm(p * 0.07 + 3.0, 2u) - 0.375;
  return length((p - scene.lake.xy) / scene.lake.zw) - 1.0 + 0.5 * wobble;
}

fn bump(p: vec2f, centre: vec2f, radius: vec2f) -> f32 {
  let q = (p - centre) / radius;
  return exp(-dot(q, q));
}

/** Limit of the relief's height: low around the lake, rising to the sides and the far end of the valley. */
fn relief(p: vec2f, beyond: f32) -> f32 {
  let side = smoothstep(20.0, 110.0, abs(p.x - 0.06 * p.y));
  let far = smoothstep(60.0, 210.0, p.y);
  let summit = scene.summit.z * bump(p, scene.summit.xy, vec2f(70.0, 60.0))
    + 0.75 * scene.summit.z * bump(p, vec2f(110.0 - 0.5 * scene.summit.x, 300.0), vec2f(80.0, 60.0));
  return smoothstep(0.1, 1.6, beyond) * (scene.summit.w * (0.25 + side + 0.8 * far) + summit);
}

/** Bare ground without trees; more octaves show finer detail. */
fn ground(p: vec2f, octaves: u32) -> f32 {
  let beyond = shore(p);
  let bank = 1.5 * smoothstep(0.0, 0.26, beyond) + 0.9 * clamp(beyond, 0.0, 1.0) - 2.5 * smoothstep(0.0, -0.5, beyond) + 0.05;
  let meadow = bank + smoothstep(0.0, 0.3, beyond) * 0.9 * (noise(p * 0.11) - 0.3);
  let height = relief(p, beyond);
  var mountain = 0.0;
  if (height > 0.05) { mountain = height * (0.25 + 1.5 * eroded(p * RELIEF_SCALE + 7.3, octaves)); }
  let away = distance(p, scene.house.xy);
  return mix(HOUSE_LEVEL, meadow + mountain, smoothstep(3.5, 8.0, away));
}

/** Height above the ground of the trees of one jittered grid; each tree stays inside its cell. */
fn tree_layer(p: vec2f, cell_size: f32, layer: u32) -> f32 {
  let q = p / cell_size;
  let cell = vec2i(floor(q));
  let jitter = vec2f(hash(cell, layer), hash(cell, layer + 1u)) - 0.5;
  let centre = vec2f(cell) + 0.5 + 0.3 * jitter;
  let r = distance(q, centre) / 0.36;
  if (r > 1.0) { return 0.0; }
  let place = centre * cell_size;
  let beyond = shore(place);
  let grove = smoothstep(0.42, 0.62, noise(place * 0.045 + 11.0));
  let room = step(0.12, beyond) * step(7.5, distance(place, scene.house.xy)) * step(20.0, place.y);
  let slope_limit = smoothstep(0.75, 0.35, relief(place, beyond) / select(60.0, 34.0, PEAKS));
  if (hash(cell, layer + 2u) > grove * room * slope_limit * scene.trees) { return 0.0; }
  let tall = cell_size * (0.6 + 0.7 * hash(cell, layer + 3u));
  if (PEAKS) { return 1.35 * tall * (1.0 - r); }
  return 0.85 * tall * sqrt(1.0 - r * r);
}

fn trees(p: vec2f) -> f32 {
  const TURN = mat2x2f(0.8, 0.6, -0.6, 0.8);
  return max(tree_layer(p, 3.7, 10u), tree_layer(TURN * p, 2.8, 20u));
}
`;
