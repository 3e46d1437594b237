/** DINOv2's ViT-S/14 with registers, a file of 88 MB of formula weights, at 224 x 224: digests of PyTorch in double precision. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, normalize, selfSimilarity } from '../../engine/index.js';
import { openCheckpoint } from '../../model/files/read.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { vitFromStored } from '../../model/vit/checkpoint.js';
import { facet, uploadVit, vitFeatures, vitLayers } from '../../model/vit/vit.js';
import { assertClose } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { golden, testImage } from '../helpers/golden.js';
import { goldenParameters } from '../helpers/models.js';

/** As that of the ViT-S/8, which is as deep. */
const TOLERANCE = 1e-4;

test('vit_dinov2_vits14_reg4_224x224', async () => {
  const { meta, get } = golden('vit_dinov2_vits14_reg4_224x224');
  const file = serializeSafetensors(goldenParameters(meta));
  assert.ok(file.length > 85e6, `${file.length} bytes`);
  const vit = vitFromStored('vits14', openCheckpoint(file));
  const { dim, depth, heads, patch, image, registers } = vit.config;
  assert.equal([dim, depth, heads, patch, image, registers], [384, 12, 6, 14, 518, 4]);
  const engine = createEngine(await testDevice(), { poison: true });
  uploadVit(engine, vit);
  const g = engine.graph();
  const x = normalize(g.input('image', [1, 3, 224, 224]), vit.config.mean, vit.config.std);
  const keys = facet(vitLayers(g, vit, x).at(-1)!, 'keys');
  const program = await engine.compile({ keys, similarity: selfSimilarity(keys), cls: vitFeatures(g, vit, x).cls });
  program.write('image', testImage(meta['image'] as string, 224, 224));
  program.run();

  const T = 1 + 16 * 16;
  const [allKeys, similarity] = [await program.read('keys'), await program.read('similarity')];
  assert.is(allKeys.length, T * dim);
  const mean = Float64Array.from({ length: dim }, (_, c) => {
    let total = 0;
    for (let t = 0; t < T; t++) total += allKeys[t * dim + c]!;
    return total / T;
  });
  const row = (of: Float32Array, width: number, t: number): Float32Array => of.slice(t * width, (t + 1) * width);
  assertClose('cls', await program.read('cls'), get('last.cls').data, TOLERANCE);
  assertClose('mean of the keys', mean, get('last.keys.mean_over_tokens').data, TOLERANCE);
  assertClose('keys of token 200', row(allKeys, dim, 200), get('last.keys.token_200').data, TOLERANCE);
  assertClose('self-similarity of token 0', row(similarity, T, 0), get('self_similarity.row_0').data, TOLERANCE);
  assertClose('self-similarity of token 200', row(similarity, T, 200), get('self_similarity.row_200').data, TOLERANCE);
  program.destroy();
  engine.destroy();
});

test.run();
