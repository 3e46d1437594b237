/** Part of a drawing, not an op: sun, sky and clouds, and the air between the camera and the hills. */
export const sky = /* wgsl */ `
fn sun_colour() -> vec3f { return select(vec3f(3.1, 2.9, 2.5), vec3f(4.4, 1.85, 0.75), PEAKS); }

/** Light from the whole sky on a surface that faces up. */
fn sky_light() -> vec3f { return select(vec3f(0.62, 0.80, 1.10), vec3f(0.25, 0.27, 0.62), PEAKS); }

/** Sky without clouds. */
fn clear_sky(ray: vec3f) -> vec3f {
  let up = max(ray.y, 0.0);
  let to_sun = max(dot(ray, scene.sun.xyz), 0.0);
  if (PEAKS) {
    let towards = 0.5 + 0.5 * dot(normalize(ray.xz), normalize(scene.sun.xz));
    let horizon = mix(vec3f(0.80, 0.42, 0.50), vec3f(1.45, 0.66, 0.28), towards * towards);
    let middle = mix(vec3f(0.42, 0.30, 0.58), vec3f(0.72, 0.44, 0.56), towards);
    let lower = mix(horizon, middle, smoothstep(0.0, 0.22, up));
    return mix(lower, vec3f(0.10, 0.13, 0.36), smoothstep(0.10, 0.62, up)) + vec3f(1.2, 0.5, 0.2) * pow(to_sun, 24.0);
  }
  let blue = mix(vec3f(0.62, 0.80, 1.02), vec3f(0.07, 0.24, 0.66), pow(smoothstep(-0.05, 0.75, up), 0.65));
  return blue + vec3f(0.6, 0.5, 0.35) * pow(to_sun, 32.0);
}

/** Cloud cover on a flat layer, 0 to 1. */
fn cloud_cover(p: vec2f) -> f32 {
  let warped = p + 0.35 * vec2f(noise(p * 2.3 + 5.0), noise(p * 2.3 + 9.0));
  return smoothstep(scene.air.x, scene.air.x + 0.2, fbm(warped, 6u));
}

fn sky_colour(ray: vec3f) -> vec3f {
  let clear = clear_sky(ray);
  if (ray.y < 0.01) { return clear; }
  let stretch = select(vec2f(1.0, 1.0), vec2f(0.55, 1.6), PEAKS);
  let p = stretch * ray.xz / (ray.y + 0.3) * 2.6 + scene.air.y;
  let cover = cloud_cover(p);
  let shade = cloud_cover(p + 0.16 * stretch * normalize(scene.sun.xz));
  let lit = clamp(0.5 + 1.1 * (cover - shade) + 0.5 * (1.0 - cover), 0.0, 1.0);
  let dark = select(vec3f(0.78, 0.83, 0.92), vec3f(0.36, 0.25, 0.44), PEAKS);
  let bright = select(vec3f(1.65, 1.60, 1.54), vec3f(1.45, 0.62, 0.44), PEAKS);
  let fade = smoothstep(0.02, 0.16, ray.y) * select(0.92, 0.75, PEAKS);
  return mix(clear, mix(dark, bright, lit), cover * fade);
}

/** Share of the light that passes through \`distance\` of air, which is denser near the ground. */
fn seen_through_air(ray: vec3f, origin: vec3f, distance: f32) -> vec3f {
  let middle = max(origin.y + ray.y * distance * 0.5, 0.0);
  let density = scene.air.z * exp(-middle * 0.012);
  return exp(-distance * density * select(vec3f(0.75, 1.0, 1.45), vec3f(0.9, 1.0, 1.1), PEAKS));
}

/** A colour at \`distance\`, with the haze in front of it. */
fn through_air(colour: vec3f, ray: vec3f, origin: vec3f, distance: f32) -> vec3f {
  let haze = clear_sky(normalize(vec3f(ray.x, 0.06, ray.z)));
  return mix(haze * select(0.92, 0.55, PEAKS), colour, seen_through_air(ray, origin, distance));
}
`;
