/**
 * In a page: one frame of the README's program beside three.js, and pictures through `textureFrom`. The canvas shows what three
 * rendered in its left half, and what the engine made of it in its right half.
 */
import * as THREE from 'three/webgpu';
import { createEngine, scale, textureFrom, textureToPlanar } from 'splice-gpu';
import { bindParameters, flatten, layoutOf, random, recipes } from 'splice-gpu/model';

const SIZE = 64;

/** Weights that Node makes as well; with those of a start the picture would be almost grey. */
export const generatorOf = (engine, x) => {
  const generator = recipes.splice.generator();
  const layout = layoutOf(generator);
  const weights = recipes.splice.initialWeights(generator, random(1, 'generator'));
  engine.writeParameter('generator', [layout.size], flatten(layout, weights).map((w) => 4 * w));
  return generator.forward(bindParameters(x.graph, 'generator', layout).get, x);
};

const programs = { blur: () => import('./blur.readme'), generator: () => import('./generator.readme') };

function scenes(left, right) {
  const [inner, outer] = [new THREE.Scene(), new THREE.Scene()];
  inner.background = new THREE.Color(0.15, 0.3, 0.5);
  const knot = new THREE.Mesh(new THREE.TorusKnotGeometry(0.4, 0.15), new THREE.MeshNormalMaterial());
  knot.position.set(0.2, 0.1, 0);
  inner.add(knot);
  const eye = new THREE.PerspectiveCamera(50, 1, 0.1, 10);
  eye.position.z = 2;
  [left, right].forEach((map, i) => {
    const quad = new THREE.Mesh(new THREE.PlaneGeometry(2, 2), new THREE.MeshBasicMaterial({ map }));
    quad.position.set(2 * i - 1, 0, -0.5);
    outer.add(quad);
  });
  return [inner, eye, outer, new THREE.OrthographicCamera(-2, 2, 1, -1, 0, 1)];
}

/** Bytes of both halves of the canvas, RGBA. */
function halves(canvas) {
  const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
  context.drawImage(canvas, 0, 0);
  return [0, SIZE].map((x) => [...context.getImageData(x, 0, SIZE, SIZE).data]);
}

globalThis.frameBesideThree = async (what) => {
  globalThis.canvas = new OffscreenCanvas(2 * SIZE, SIZE);
  globalThis.generatorOf = generatorOf;
  const { renderer, device, engine, program, seen, map, frame } = await programs[what]();
  const uncaptured = [];
  device.addEventListener('uncapturederror', ({ error }) => uncaptured.push(error.message));
  const views = scenes(seen.texture, map);
  const submit = device.queue.submit.bind(device.queue);
  let submits = 0;
  device.queue.submit = (commands) => void (submits++, submit(commands));
  renderer.render(views[2], views[3]);
  const own = submits;
  submits = 0;
  frame(...views);
  const [left, right] = halves(globalThis.canvas);
  const x = [...await program.read('x')];
  return { left, right, x, uncaptured, submits, own, subgroups: device.features.has('subgroups'), tuning: engine.tuning };
};

/** Planes of a picture that comes as an ImageBitmap and as a VideoFrame, on a plain device. */
globalThis.planesOf = async (bytes, width, height) => {
  const device = await (await navigator.gpu.requestAdapter()).requestDevice();
  const engine = createEngine(device);
  const program = await engine.compile({ y: scale(engine.graph().input('x', [3, height, width]), 1) });
  const take = await textureToPlanar(engine);
  const picture = new ImageData(Uint8ClampedArray.from(bytes), width, height);
  const bitmap = await createImageBitmap(picture, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  const found = [];
  const sizes = { codedWidth: width, codedHeight: height };
  for (const source of [bitmap, new VideoFrame(picture.data, { format: 'RGBA', ...sizes, timestamp: 0 })]) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    take(pass, textureFrom(engine, source), program.buffer('x'));
    program.encode(pass);
    pass.end();
    device.queue.submit([encoder.finish()]);
    found.push([...await program.read('y')]);
  }
  return found;
};
