/** Part of a drawing, not an op: what a ray hits (house, water, ground with trees), and whether the sun reaches a point. */
export const march = /* wgsl */ `
const SKY = 0u;
const GROUND = 1u;
const WATER = 2u;
const OBJECT = 3u;

struct Hit {
  distance: f32,
  label: u32,
  part: f32,  // of the house
}

const FAR = 620.0;
const HIGHEST_TREE = 6.5;

/** Coarse height of ground and trees at a point, for marching. */
fn surface(p: vec3f, octaves: u32) -> f32 {
  let bare = ground(p.xz, octaves);
  if (p.y - bare > HIGHEST_TREE || p.z > 330.0) { return bare; }
  return bare + trees(p.xz);
}

/** (distance, part) of the house along the ray, FAR if it misses. */
fn march_house(origin: vec3f, ray: vec3f) -> vec2f {
  let o = to_house(origin);
  let r = to_house(origin + ray) - o;
  // Only rays through the ball around the house are marched.
  let middle = -dot(o - vec3f(0.0, 1.8, 0.0), r);
  let miss = distance(o + middle * r, vec3f(0.0, 1.8, 0.0));
  if (miss > 4.6 || middle < -4.6) { return vec2f(FAR, 0.0); }
  var t = max(middle - 4.6, 0.0);
  for (var i = 0u; i < 60u && t < middle + 4.6; i++) {
    let d = house(o + t * r);
    if (d.x < 0.004) { return vec2f(t, d.y); }
    t += 0.9 * d.x;
  }
  return vec2f(FAR, 0.0);
}

/** Steps until one ends below the ground, then halves that step until the crossing is found. */
fn march_ground(origin: vec3f, ray: vec3f, limit: f32) -> f32 {
  var above = 0.0;
  var below = FAR;
  var t = 0.4;
  for (var i = 0u; i < 180u; i++) {
    t = min(t, limit);
    let p = origin + t * ray;
    let clearance = p.y - surface(p, 4u);
    if (clearance < 0.0) {
      below = t;
    } else {
      if (below == FAR && (t >= limit || (p.y > 190.0 && ray.y > 0.0))) { return FAR; }
      above = t;
    }
    if (below - above < 0.01 + 0.0001 * below) { break; }
    if (below == FAR) { t += max(0.32 * clearance, 0.004 * t + 0.02); } else { t = 0.5 * (above + below); }
  }
  return min(below, t);
}

fn trace(origin: vec3f, ray: vec3f) -> Hit {
  var hit = Hit(FAR, SKY, 0.0);
  let building = march_house(origin, ray);
  if (building.x < hit.distance) { hit = Hit(building.x, OBJECT, building.y); }
  if (ray.y < 0.0 && origin.y > 0.0) {
    let water = -origin.y / ray.y;
    if (water < hit.distance) { hit = Hit(water, WATER, 0.0); }
  }
  let earth = march_ground(origin, ray, hit.distance);
  if (earth < hit.distance) { hit = Hit(earth, GROUND, 0.0); }
  return hit;
}

/** Share of the sun that reaches a point, with soft edges. */
fn sunlight(p: vec3f) -> f32 {
  if (march_house(p + 0.05 * scene.sun.xyz, scene.sun.xyz).x < FAR) { return 0.0; }
  var light = 1.0;
  var t = 0.25;
  for (var i = 0u; i < 44u; i++) {
    let q = p + t * scene.sun.xyz;
    let clearance = q.y - surface(q, 3u);
    light = min(light, 0.5 + 14.0 * clearance / t);
    if (light <= 0.0 || q.y > 190.0) { break; }
    t += clamp(0.5 * clearance, 0.12 + 0.03 * t, 22.0);
  }
  // Clouds behind the camera cast shadows on the valley.
  let cloud = select(mix(0.4, 1.0, smoothstep(0.3, 0.55, noise(p.xz * 0.017 + scene.air.y))), 1.0, PEAKS);
  return cloud * smoothstep(0.0, 1.0, clamp(light, 0.0, 1.0));
}
`;
