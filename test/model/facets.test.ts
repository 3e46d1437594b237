/** Facets by name, against PyTorch, as the CPU gets them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clsAttentionMaps, patchFeatures } from '../../model/study/patches.js';
import { FACETS } from '../../model/vit/config.js';
import { uploadVit } from '../../model/vit/vit.js';
import { assertClose } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { golden, testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const { meta, get, tolerance } = golden('vit_probe8_40x56');
const [height, width] = meta['size'] as [number, number];
const image = { width, height, data: testImage(meta['image'] as string, height, width) };
const vit = formulaVit('probe8', meta['tag'] as string);

test('every facet of a layer by its name', async () => {
  const engine = await testEngine();
  uploadVit(engine, vit);
  const of = await patchFeatures(engine, vit, image, height, [2, 3], FACETS);
  for (const facet of FACETS) assertClose(facet, of(3, facet).data, get(`last.${facet}`).data, tolerance(`last.${facet}`));
  assertClose('middle', of(2, 'tokens').data, get('mid.tokens').data, tolerance('mid.tokens'));
  assert.equal([of(3, 'keys').rows, of(3, 'keys').columns], [height / 8, width / 8]);
});

test('CLS attention per head, itself left out', async () => {
  const engine = await testEngine();
  uploadVit(engine, vit);
  const { maps, rows, columns } = await clsAttentionMaps(engine, vit, image, height, [3]);
  const golden = get('last.attention_cls').data;
  const T = 1 + rows * columns;
  maps[0]!.forEach((map, head) =>
    assertClose(`head ${head}`, map, golden.slice(head * T + 1, (head + 1) * T), tolerance('last.attention_cls')));
  assert.is(maps[0]!.length, vit.config.heads);
});

test('a layer that is not there is named', async () => {
  const error = await patchFeatures(await testEngine(), vit, image, height, [4], ['keys'])
    .then(() => undefined, (reason: Error) => reason);
  assert.match(error!.message, /has layers 0 to 3, asked for 4/);
});

test.run();
