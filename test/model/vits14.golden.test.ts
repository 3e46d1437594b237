/** DINOv2's ViT-S/14 with registers, a file of 88 MB of formula weights, at 224 x 224: digests of PyTorch in double precision. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openCheckpoint } from '../../model/files/read.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { vitFromStored } from '../../model/vit/checkpoint.js';
import { checkFullSize } from '../helpers/fullSize.js';
import { golden } from '../helpers/golden.js';
import { goldenParameters } from '../helpers/models.js';

test('vit_dinov2_vits14_reg4_224x224', async () => {
  const expected = golden('vit_dinov2_vits14_reg4_224x224');
  const file = serializeSafetensors(goldenParameters(expected.meta));
  assert.ok(file.length > 85e6, `${file.length} bytes`);
  const vit = vitFromStored('vits14', openCheckpoint(file));
  const { dim, depth, heads, patch, image, registers } = vit.config;
  assert.equal([dim, depth, heads, patch, image, registers], [384, 12, 6, 14, 518, 4]);
  await checkFullSize(expected, vit, 200);
});

test.run();
