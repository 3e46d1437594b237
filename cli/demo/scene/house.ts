/** Part of a drawing, not an op: the house on the shore, a signed distance field with a material for every part. */
export const house = /* wgsl */ `
const WALL = 0.0;
const ROOF = 1.0;
const CHIMNEY = 2.0;
const STONE = 3.0;

fn box(p: vec3f, half: vec3f) -> f32 {
  let q = abs(p) - half;
  return length(max(q, vec3f(0.0))) + min(max(q.x, max(q.y, q.z)), 0.0);
}

fn nearer(a: vec2f, b: vec2f) -> vec2f { return select(b, a, a.x < b.x); }

/** Coordinates of the house: it is at the origin, its ridge along x and its front towards -z. */
fn to_house(p: vec3f) -> vec3f {
  let q = p - vec3f(scene.house.x, HOUSE_LEVEL, scene.house.y);
  let c = cos(scene.house.z);
  let s = sin(scene.house.z);
  return vec3f(c * q.x - s * q.z, q.y, s * q.x + c * q.z);
}

fn turn_from_house(n: vec3f) -> vec3f {
  let c = cos(scene.house.z);
  let s = sin(scene.house.z);
  return vec3f(c * n.x + s * n.z, n.y, c * n.z - s * n.x);
}

/** (distance, part) of a gabled building, its middle at the origin: half sizes of the walls, ridge height. */
fn gabled(p: vec3f, half: vec3f, ridge: f32) -> vec2f {
  let rise = normalize(vec2f(half.z + 0.3, ridge - half.y));
  // Distance to the roof's plane on the point's side of the ridge.
  let above = (p.y - ridge) * rise.x + abs(p.z) * rise.y;
  let body = max(box(p - vec3f(0.0, 0.5 * ridge, 0.0), vec3f(half.x, 0.5 * ridge, half.z)), above + 0.05);
  let slab = max(max(abs(above) - 0.09, abs(p.x) - half.x - 0.3), half.y - 0.32 - p.y);
  return nearer(vec2f(body, WALL), vec2f(slab, ROOF));
}

/** (distance, part) of the house, its chimney and its base. \`p\` in coordinates of the house. */
fn house(p: vec3f) -> vec2f {
  let main = gabled(p, vec3f(2.7, 2.0, 1.9), 3.7);
  let wing = gabled((p - vec3f(-1.1, 0.0, -1.3)).zyx, vec3f(1.6, 1.7, 1.15), 2.95);
  let chimney = vec2f(box(p - vec3f(1.5, 3.3, 0.5), vec3f(0.28, 1.1, 0.28)), CHIMNEY);
  return nearer(nearer(nearer(main, wing), chimney), vec2f(box(p, vec3f(2.8, 0.35, 2.0)), STONE));
}

fn house_normal(p: vec3f) -> vec3f {
  const E = vec2f(0.01, 0.0);
  let d = house(p).x;
  return normalize(vec3f(house(p + E.xyy).x - d, house(p + E.yxy).x - d, house(p + E.yyx).x - d));
}

/** 1 within a rectangle of a wall. */
fn pane(p: vec2f, centre: vec2f, half: vec2f) -> f32 {
  let q = abs(p - centre) - half;
  return step(max(q.x, q.y), 0.0);
}

/** Windows along a wall at height 1.25: (frame, glass). */
fn windows(along: f32, up: f32, spacing: f32) -> vec2f {
  let q = vec2f(abs(along) - spacing, up - 1.2);
  let bars = step(0.035, min(abs(q.x), abs(q.y)));
  return vec2f(pane(q, vec2f(0.0), vec2f(0.42, 0.5)), pane(q, vec2f(0.0), vec2f(0.34, 0.42)) * bars);
}

/** Colour of the house at a point, and in w its own light (lamps behind the windows at dusk). */
fn house_colour(p: vec3f, n: vec3f, part: f32) -> vec4f {
  if (part == ROOF) {
    if (PEAKS) { return vec4f(mix(vec3f(0.16, 0.10, 0.08), vec3f(0.82, 0.86, 0.95), step(0.3, n.y)), 0.0); }
    let tile = 0.8 + 0.2 * step(0.25, fract(p.y * 4.0)) * (0.7 + 0.3 * noise(p.xz * 5.0));
    return vec4f(vec3f(0.56, 0.13, 0.06) * tile, 0.0);
  }
  if (part == CHIMNEY || part == STONE) { return vec4f(vec3f(0.33, 0.30, 0.28) * (0.7 + 0.5 * noise(p.xy * 4.0 + p.z)), 0.0); }
  let front = abs(n.z) > 0.7;
  let wing = p.z < -1.95;
  var opening = windows(p.z, p.y, 0.85);
  if (front) { opening = windows(p.x - 1.35, p.y, 0.55); }
  if (wing && front) { opening = windows(p.x + 1.1, p.y, 0.0); }
  let board = 0.85 + 0.15 * step(0.12, fract(p.y * select(3.2, 2.4, PEAKS)));
  let wall = select(vec3f(0.86, 0.82, 0.72), vec3f(0.27, 0.15, 0.08), PEAKS) * board;
  let frame = select(vec3f(0.9), vec3f(0.12, 0.07, 0.04), PEAKS);
  let glass = select(vec3f(0.05, 0.08, 0.11), vec3f(1.0, 0.55, 0.18), PEAKS);
  let glow = select(0.0, 2.6, PEAKS);
  return vec4f(mix(mix(wall, frame, opening.x), glass, opening.y), glow * opening.y);
}
`;
