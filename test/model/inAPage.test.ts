/** What a page needs of a training: the README's twenty lines, and the newest picture in a host's own pass. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scenePath } from '../../cli/demo/files.js';
import { openAdapter } from '../../cli/gpu/device.js';
import { readImage } from '../../cli/photos/photo.js';
import * as engineRoom from '../../engine/index.js';
import { createEngine } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import * as modelRoom from '../../model/index.js';
import { defaultOptions, published } from '../../model/method/options.js';
import { startSplice } from '../../model/training/pair.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';
import { root, text } from '../helpers/sources.js';

/** The program of a README's section, as a function of the names that it takes for granted. */
function programOf(readme: string, section: string, given: Readonly<Record<string, unknown>>): () => Promise<void> {
  const code = /```ts\n([^]*?)```/.exec(text(readme).split(`## ${section}\n`)[1]!)![1]!;
  const rooms = { 'splice-gpu': engineRoom, 'splice-gpu/model': modelRoom };
  const body = code.replace(/^import (\{.*\}) from ('.*');$/gm, 'const $1 = rooms[$2];');
  return new Function('rooms', ...Object.keys(given), `return async () => {${body}}`)(rooms, ...Object.values(given)) as never;
}

test('the README trains in twenty lines', async () => {
  const [shown, painted] = [[] as string[], [] as Image[]];
  const program = programOf('model/README.md', 'Train in 20 lines', {
    navigator: { gpu: { requestAdapter: openAdapter } },
    fetch: async (path: string) => new Response(new Uint8Array(await readFile(path))),
    weights: join(root, 'model/weights/'),
    photo: (name: string) => readImage(scenePath(name === 'peaks.png' ? 'peaks' : 'valley'), { shorterSide: 48 }),
    show: (line: string) => shown.push(line),
    paint: (picture: Image) => painted.push(picture),
  });
  await program();
  assert.equal(shown.map((line) => line.split(':')[0]), ['step 0', 'step 10', 'step 19']);
  // Of the warm start, of step 10, and the last.
  assert.equal(painted.map(({ width, height }) => [width, height]), [[72, 48], [72, 48], [72, 48]]);
  const totals = shown.map((line) => Number(line.split(': ')[1]));
  assert.ok(totals[2]! < totals[0]!, `${totals}`);
  assert.ok(painted[2]!.data.some((value, i) => value !== painted[1]!.data[i]), 'the picture changes');
});

test("the newest picture is recorded in a host's pass, without reading back", async () => {
  const engine = createEngine(await testDevice(), { poison: true });
  const photo = (name: string): Image => ({ width: 40, height: 48, data: testImage(name, 48, 40) });
  const options = { ...defaultOptions, ...published, vitSize: 32 };
  const run = await startSplice(engine, formulaVit('probe8', 'run', 0.5), photo('page.a'), photo('page.b'), options);
  for (let i = 0; i < 3; i++) await run.step();
  const { device } = engine;
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  const { buffer, offset } = run.encodeResult(pass);
  pass.end();
  const bytes = 4 * 3 * 48 * 40;
  const target = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  encoder.copyBufferToBuffer(buffer, offset, target, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await target.mapAsync(GPUMapMode.READ);
  const encoded = [...new Float32Array(target.getMappedRange())];
  assert.equal(encoded, [...(await run.result()).data]);
  assert.ok(new Set(encoded).size > 1000);
  run.destroy();
  engine.destroy();
});

test.run();
