/** Writes the untrained ViT that the project ships: `node dist/test/assets/weights.js` makes the committed file again. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { packageRoot, writeFileAtomic, writeJson } from '../../cli/shared/files.js';

const SEED = 1;
const folder = join(packageRoot, 'model/weights');
const { config: { dim, depth, heads, patch, image, mean, std }, weights } = untrainedVit(SEED);
await mkdir(folder, { recursive: true });
const bytes = serializeSafetensors(weights, { what: `random weights, seed ${SEED}` });
await writeFileAtomic(join(folder, 'untrained.safetensors'), bytes);
await writeJson(join(folder, 'untrained.json'), {
  name: 'untrained',
  what: `a small ViT with random weights (seed ${SEED}, model/vit/untrained.ts): it recognises nothing`,
  dim, depth, heads, patch, image, mean, std,
});
