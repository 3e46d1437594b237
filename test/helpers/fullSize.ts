/** A ViT of full size at 224 x 224 against digests of PyTorch's run in double precision. */
import * as assert from 'uvu/assert';
import { createEngine, normalize, selfSimilarity } from '../../engine/index.js';
import type { VitModel } from '../../model/vit/config.js';
import { facet, uploadVit, vitFeatures, vitLayers } from '../../model/vit/vit.js';
import { assertClose } from './check.js';
import { testDevice } from './device.js';
import { testImage, type golden } from './golden.js';

/** The file has no float32 error of PyTorch. For the smaller models' keys it is within 1e-5; these are three times as deep. */
const TOLERANCE = 1e-4;

/** CLS, mean of the keys, and the rows of `token`, of a file of `golden`. */
export async function checkFullSize({ meta, get }: ReturnType<typeof golden>, vit: VitModel, token: number): Promise<void> {
  const { dim, patch, mean, std } = vit.config;
  const engine = createEngine(await testDevice(), { poison: true });
  uploadVit(engine, vit);
  const g = engine.graph();
  const x = normalize(g.input('image', [1, 3, 224, 224]), mean, std);
  const keys = facet(vitLayers(g, vit, x).at(-1)!, 'keys');
  const program = await engine.compile({ keys, similarity: selfSimilarity(keys), cls: vitFeatures(g, vit, x).cls });
  program.write('image', testImage(meta['image'] as string, 224, 224));
  program.run();

  const T = 1 + (224 / patch) ** 2;
  const [allKeys, similarity] = [await program.read('keys'), await program.read('similarity')];
  assert.is(allKeys.length, T * dim);
  const meanKey = Float64Array.from({ length: dim }, (_, c) => {
    let total = 0;
    for (let t = 0; t < T; t++) total += allKeys[t * dim + c]!;
    return total / T;
  });
  const row = (of: Float32Array, width: number, t: number): Float32Array => of.slice(t * width, (t + 1) * width);
  assertClose('cls', await program.read('cls'), get('last.cls').data, TOLERANCE);
  assertClose('mean of the keys', meanKey, get('last.keys.mean_over_tokens').data, TOLERANCE);
  assertClose(`keys of token ${token}`, row(allKeys, dim, token), get(`last.keys.token_${token}`).data, TOLERANCE);
  for (const t of [0, token]) {
    assertClose(`self-similarity of token ${t}`, row(similarity, T, t), get(`self_similarity.row_${t}`).data, TOLERANCE);
  }
  program.destroy();
  engine.destroy();
}
