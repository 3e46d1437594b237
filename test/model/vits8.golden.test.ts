/** A full ViT-S/8 at 224 x 224, 785 tokens, against digests of PyTorch's run in double precision. */
import { test } from 'uvu';
import { checkFullSize } from '../helpers/fullSize.js';
import { golden } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

test('vit_vits8_224x224', async () => {
  const file = golden('vit_vits8_224x224');
  await checkFullSize(file, formulaVit('vits8', file.meta['tag'] as string), 400);
});

test.run();
