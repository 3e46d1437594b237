/** Part of a drawing, not an op: follows rays from the camera, reflects them on water, and averages the samples of a pixel. */
export const render = /* wgsl */ `
/** Two crossing sets of ripples, which fade with distance because a distant pixel spans many. */
fn water_normal(p: vec2f, t: f32) -> vec3f {
  let calm = scene.air.w / (1.0 + 0.02 * t);
  let long = noise_slope(vec2f(0.5, 1.6) * p).yz - noise_slope(vec2f(-0.6, 1.3) * p + 4.0).yz;
  let short = noise_slope(vec2f(1.6, 4.4) * p + 9.0).yz - noise_slope(vec2f(-1.9, 3.7) * p).yz;
  return normalize(vec3f(calm * (long + 0.6 * short), 1.0).xzy);
}

/** Colour of the water itself: shallow water shows its bed. */
fn water_body(p: vec2f) -> vec3f {
  let depth = max(-ground(p, 2u), 0.0);
  let bed = select(vec3f(0.30, 0.32, 0.20), vec3f(0.10, 0.10, 0.14), PEAKS);
  let deep = select(vec3f(0.015, 0.10, 0.13), vec3f(0.015, 0.025, 0.06), PEAKS);
  return mix(deep, bed, exp(-2.2 * depth)) * (sky_light() + 0.3 * sun_colour() * scene.sun.y);
}

/** (light, label) of a ray from the camera. Water reflects it once; a reflected ray never meets water again. */
fn look(camera: vec3f, towards: vec3f) -> vec4f {
  var origin = camera;
  var ray = towards;
  var light = vec3f(0.0);
  var mirrored = vec3f(1.0);
  var label = SKY;
  for (var bounce = 0u; bounce < 2u; bounce++) {
    let hit = trace(origin, ray);
    if (bounce == 0u) { label = hit.label; }
    if (hit.label != WATER) {
      light += mirrored * shade(origin, ray, hit);
      break;
    }
    let p = origin + hit.distance * ray;
    let n = water_normal(p.xz, hit.distance);
    let fresnel = 0.03 + 0.97 * pow(1.0 - clamp(dot(-ray, n), 0.0, 1.0), 4.0);
    light += through_air((1.0 - fresnel) * water_body(p.xz), ray, origin, hit.distance);
    mirrored = fresnel * seen_through_air(ray, origin, hit.distance);
    let up = reflect(ray, n);
    ray = normalize(vec3f(up.x, abs(up.y) + 0.002, up.z));
    origin = vec3f(p.x, 0.02, p.z);
  }
  return vec4f(light, f32(label));
}

/** Film curve (Narkowicz, "ACES filmic tone mapping curve", 2015). */
fn film(light: vec3f) -> vec3f {
  let x = scene.camera.w * light;
  return clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), vec3f(0.0), vec3f(1.0));
}

/** Position of the camera, raised above the ground if a hill covers it. */
fn eye() -> vec3f {
  let camera = scene.camera.xyz;
  return vec3f(camera.x, max(camera.y, ground(camera.xz, 7u) + 1.0), camera.z);
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
    let seen = look(eye(), camera_ray(vec2f(pixel) + inside));
    votes[u32(seen.w)] += 1u;
    light += film(seen.xyz);
  }
  light /= f32(scene.samples * scene.samples);
  let srgb = select(1.055 * pow(light, vec3f(1.0 / 2.4)) - 0.055, 12.92 * light, light <= vec3f(0.0031308));
  var label = 0u;
  for (var i = 1u; i < 4u; i++) { if (votes[i] > votes[label]) { label = i; } }
  picture[pixel.y * scene.size.x + pixel.x] = vec4f(srgb, f32(label));
}
`;
