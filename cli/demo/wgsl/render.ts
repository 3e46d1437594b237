/** Marches rays through the landscape, lights what they hit and averages the samples of a pixel. */
export const render = /* wgsl */ `
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

/** Height of everything that grows or lies at a point, coarse, for marching. */
fn surface(p: vec3f, octaves: u32) -> f32 {
  let bare = ground(p.xz, octaves);
  if (p.y - bare > HIGHEST_TREE || p.z > 330.0) { return bare; }
  return bare + trees(p.xz);
}

/** Distance along the ray to the house, FAR when it passes. */
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

fn march_ground(origin: vec3f, ray: vec3f, limit: f32) -> f32 {
  var t = 0.4;
  var before = t;
  for (var i = 0u; i < 170u; i++) {
    t = min(t, limit);
    let p = origin + t * ray;
    let clearance = p.y - surface(p, 4u);
    if (clearance < 0.0) {
      // The crossing lies in the last step: halve it a few times.
      var near = before;
      var far = t;
      for (var k = 0u; k < 6u; k++) {
        let half = 0.5 * (near + far);
        let q = origin + half * ray;
        if (q.y < surface(q, 4u)) { far = half; } else { near = half; }
      }
      return far;
    }
    if (t >= limit || (p.y > 190.0 && ray.y > 0.0)) { return FAR; }
    before = t;
    t += max(0.32 * clearance, 0.004 * t + 0.02);
  }
  return t;
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

/** How much of the sun reaches a point: soft-edged, 0 to 1. */
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
  // Clouds that stand behind the camera throw shade over the valley.
  let cloud = select(mix(0.4, 1.0, smoothstep(0.3, 0.55, noise(p.xz * 0.017 + scene.air.y))), 1.0, PEAKS);
  return cloud * smoothstep(0.0, 1.0, clamp(light, 0.0, 1.0));
}

/** Sun, sky and light thrown back by the ground, on a matt surface. */
fn lit(albedo: vec3f, p: vec3f, n: vec3f, open: f32) -> vec3f {
  let towards = max(dot(n, scene.sun.xyz), 0.0);
  var sun = vec3f(0.0);
  if (towards > 0.0) { sun = sun_colour() * towards * sunlight(p + 0.06 * n); }
  let bounce = 0.16 * sun_colour() * max(0.4 - 0.6 * n.y, 0.0) * select(vec3f(0.5, 0.6, 0.3), vec3f(0.6, 0.6, 0.9), PEAKS);
  return albedo * (sun + open * (sky_light() * (0.55 + 0.45 * n.y) + bounce));
}

fn ground_normal(p: vec2f, t: f32) -> vec3f {
  let e = max(0.05, 0.0016 * t);
  let octaves = select(7u, 10u, t < 160.0);
  let h = ground(p, octaves);
  return normalize(vec3f(h - ground(p + vec2f(e, 0.0), octaves), e, h - ground(p + vec2f(0.0, e), octaves)));
}

fn tree_normal(p: vec2f, t: f32) -> vec3f {
  let e = max(0.08, 0.0016 * t);
  let h = trees(p);
  return normalize(vec3f(h - trees(p + vec2f(e, 0.0)), 0.8 * e, h - trees(p + vec2f(0.0, e))));
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
  let rock = select(vec3f(0.27, 0.25, 0.22), vec3f(0.15, 0.14, 0.18), PEAKS) * (0.25 + 1.7 * layers * (0.5 + fbm(p.xz * 0.35, 4u)));
  let sand = select(vec3f(0.42, 0.35, 0.24), vec3f(0.30, 0.29, 0.33), PEAKS) * (0.45 + 1.1 * fine);
  var cover = mix(vec3f(0.07, 0.20, 0.015), vec3f(0.22, 0.32, 0.035), coarse) * (0.4 + 1.2 * fine);
  // Farther away flowers are smaller than a sample, and would only flicker.
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

fn shade_ground(p: vec3f, t: f32) -> vec3f {
  let n = ground_normal(p.xz, t);
  let canopy = trees(p.xz);
  let bare = ground(p.xz, 5u);
  if (canopy < 0.15 || p.y - bare < 0.1) { return lit(bare_colour(p, n), p, n, 1.0); }
  let crown = tree_normal(p.xz, t);
  let leaf = fbm(p.xz * 3.1 + p.y * 2.3, 3u);
  let open = clamp(0.25 + 0.28 * (p.y - bare), 0.0, 1.0);
  var colour = mix(vec3f(0.03, 0.10, 0.015), vec3f(0.14, 0.24, 0.03), leaf + 0.6 * (noise(p.xz * 0.21) - 0.5));
  if (PEAKS) { colour = mix(vec3f(0.012, 0.032, 0.034), vec3f(0.80, 0.84, 0.93), smoothstep(0.56, 0.74, leaf + 0.12 * open)); }
  let rough = normalize(crown + 0.6 * (vec3f(noise(p.xz * 5.0), noise(p.xz * 5.0 + 7.0), noise(p.xz * 5.0 + p.y * 4.0)) - 0.5));
  return lit(colour, p, rough, open);
}

/** Colour of anything but water. */
fn shade(origin: vec3f, ray: vec3f, hit: Hit) -> vec3f {
  if (hit.label == SKY) { return sky_colour(ray); }
  let p = origin + hit.distance * ray;
  var colour = vec3f(0.0);
  if (hit.label == OBJECT) {
    let q = to_house(p);
    let n = house_normal(q);
    let paint = house_colour(q, n, hit.part);
    colour = lit(paint.xyz, p, turn_from_house(n), 0.9) + paint.w * paint.xyz;
  } else {
    colour = shade_ground(p, hit.distance);
  }
  return through_air(colour, ray, origin, hit.distance);
}

/** Two crossing sets of ripples; they fade with distance, where a pixel spans many. */
fn water_normal(p: vec2f, t: f32) -> vec3f {
  let calm = scene.air.w / (1.0 + 0.02 * t);
  let long = noise_slope(vec2f(0.5, 1.6) * p).yz - noise_slope(vec2f(-0.6, 1.3) * p + 4.0).yz;
  let short = noise_slope(vec2f(1.6, 4.4) * p + 9.0).yz - noise_slope(vec2f(-1.9, 3.7) * p).yz;
  return normalize(vec3f(calm * (long + 0.6 * short), 1.0).xzy);
}

fn shade_water(origin: vec3f, ray: vec3f, t: f32) -> vec3f {
  let p = origin + t * ray;
  let n = water_normal(p.xz, t);
  var bounce = reflect(ray, n);
  bounce.y = abs(bounce.y) + 0.002;
  bounce = normalize(bounce);
  let mirrored = shade(p + vec3f(0.0, 0.02, 0.0), bounce, trace_above(p + vec3f(0.0, 0.02, 0.0), bounce));
  let depth = max(-ground(p.xz, 2u), 0.0);
  let bed = select(vec3f(0.30, 0.32, 0.20), vec3f(0.10, 0.10, 0.14), PEAKS);
  let deep = select(vec3f(0.015, 0.10, 0.13), vec3f(0.015, 0.025, 0.06), PEAKS);
  let body = mix(deep, bed, exp(-2.2 * depth)) * (sky_light() + 0.3 * sun_colour() * scene.sun.y);
  let facing = clamp(dot(-ray, n), 0.0, 1.0);
  let fresnel = 0.03 + 0.97 * pow(1.0 - facing, 4.0);
  return through_air(mix(body, mirrored, fresnel), ray, origin, t);
}

/** Rays off the water never meet it again. */
fn trace_above(origin: vec3f, ray: vec3f) -> Hit {
  var hit = Hit(FAR, SKY, 0.0);
  let building = march_house(origin, ray);
  if (building.x < FAR) { hit = Hit(building.x, OBJECT, building.y); }
  let earth = march_ground(origin, ray, hit.distance);
  if (earth < hit.distance) { hit = Hit(earth, GROUND, 0.0); }
  return hit;
}

/** Film curve (Narkowicz, "ACES filmic tone mapping curve", 2015). */
fn film(light: vec3f) -> vec3f {
  let x = scene.camera.w * light;
  return clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), vec3f(0.0), vec3f(1.0));
}

fn camera_ray(pixel: vec2f) -> vec3f {
  let size = vec2f(scene.size);
  let q = (pixel - 0.5 * size) / size.y * vec2f(1.0, -1.0);
  let flat = vec3f(q.x, q.y, scene.view.x);
  let cp = cos(scene.view.y);
  let sp = sin(scene.view.y);
  let tilted = vec3f(flat.x, cp * flat.y + sp * flat.z, cp * flat.z - sp * flat.y);
  let cy = cos(scene.view.z);
  let sy = sin(scene.view.z);
  return normalize(vec3f(cy * tilted.x + sy * tilted.z, tilted.y, cy * tilted.z - sy * tilted.x));
}

/** picture[y, x] = (red, green, blue as sRGB in 0..1, label that most samples hit) */
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let pixel = scene.corner + id.xy;
  if (any(pixel >= scene.size)) { return; }
  var light = vec3f(0.0);
  var votes = vec4u(0u);
  for (var i = 0u; i < scene.samples * scene.samples; i++) {
    let inside = (vec2f(vec2u(i % scene.samples, i / scene.samples)) + 0.5) / f32(scene.samples);
    let ray = camera_ray(vec2f(pixel) + inside);
    let hit = trace(scene.camera.xyz, ray);
    votes[hit.label] += 1u;
    if (hit.label == WATER) {
      light += film(shade_water(scene.camera.xyz, ray, hit.distance));
    } else {
      light += film(shade(scene.camera.xyz, ray, hit));
    }
  }
  light /= f32(scene.samples * scene.samples);
  let srgb = select(1.055 * pow(light, vec3f(1.0 / 2.4)) - 0.055, 12.92 * light, light <= vec3f(0.0031308));
  var label = 0u;
  for (var i = 1u; i < 4u; i++) { if (votes[i] > votes[label]) { label = i; } }
  picture[pixel.y * scene.size.x + pixel.x] = vec4f(srgb, f32(label));
}
`;
