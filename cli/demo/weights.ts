/** Writes the untrained ViT that the project ships: `node dist/cli/demo/weights.js` (redraws the committed file). */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { packageRoot, writeFileAtomic, writeJson } from '../shared/files.js';

const SEED = 1;
const folder = join(packageRoot, 'model/weights');
const { config, weights } = untrainedVit(SEED);
await mkdir(folder, { recursive: true });
await writeFileAtomic(join(folder, 'untrained.safetensors'), serializeSafetensors(weights, { what: `random weights, seed ${SEED}` }));
await writeJson(join(folder, 'untrained.json'), {
  name: 'untrained',
  what: `a small ViT with random weights (seed ${SEED}, model/vit/untrained.ts): it recognises nothing`,
  dim: config.dim, depth: config.depth, heads: config.heads, patch: config.patch, image: config.image, mean: config.mean, std: config.std,
});
