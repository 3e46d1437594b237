/** The ViT against PyTorch: every facet and the image gradient of three objectives. */
import { test } from 'uvu';
import { gradients, mul, normalize, selfSimilarity, slice, sum, type Dtype, type Tensor } from '../../engine/index.js';
import { clsAttention, facet, uploadVit, vitFeatures, vitLayers } from '../../model/vit/vit.js';
import { vitFromWeights } from '../../model/vit/checkpoint.js';
import { IMAGENET_MEAN, IMAGENET_STD, type Neuron, type VitModel } from '../../model/vit/config.js';
import { assertClose } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';
import { isBare } from '../helpers/host.js';
import { formulaVit, goldenParameters, type vitConfigs } from '../helpers/models.js';

const cases = [
  'vit_probe8_32x32', 'vit_probe8_40x56', 'vit_probe4_24x24', 'vit_probe4_18x31',
  'vit_dinov2_42x42', 'vit_dinov2_30x75', 'vit_dinov2_reg4_42x42', 'vit_dinov2_reg4_30x75', 'vit_dinov2_reg4_57x28',
  'vit_dinov2_giant_28x56', 'vit_dinov3_32x32', 'vit_dinov3_21x50', 'vit_dinov3_plus_24x40', 'vit_deit_distilled_32x32',
  'vit_deit_distilled_21x50', 'vit_test_time_registers_21x50',
];

/** These run in all variants: the hardest size of each kind. A CPU is slow with a GPU's variants. */
const hardest = /18x31|reg4_30x75|dinov3_plus|test_time/;

/** The ViT of a golden file: a DINO ViT, or one loaded by the names of its published checkpoints. */
function vitOf(name: string, meta: Record<string, unknown>): VitModel {
  if (!meta['params']) return formulaVit(meta['kind'] as keyof typeof vitConfigs, meta['tag'] as string);
  const { heads, moved } = meta as { heads: number; moved: Neuron[] };
  return vitFromWeights(name, goldenParameters(meta), { heads, ...(moved.length > 0 && { registerNeurons: moved }) });
}

/** The largest relative difference that weights and activations of eleven bits may make. */
const HALF_TOLERANCE = 2e-2;

async function compare(name: string, tuning: object, precision: Dtype = 'f32'): Promise<void> {
  const { meta, get, tolerance: exact } = golden(name);
  const tolerance = precision === 'f16' ? () => HALF_TOLERANCE : exact;
  const [height, width] = meta['size'] as [number, number];
  const engine = await testEngine(tuning);
  const vit = { ...vitOf(name, meta), precision };
  uploadVit(engine, vit);
  const g = engine.graph();
  const image = g.input('image', [1, 3, height, width]);
  const x = normalize(image, IMAGENET_MEAN, IMAGENET_STD);
  const layers = vitLayers(g, vit, x);
  const last = layers.at(-1)!;
  const keys = facet(last, 'keys');
  const objectives: Record<string, Tensor> = { cls: slice(last.tokens, 1, 0, 1), keys, self_similarity: selfSimilarity(keys) };
  const short = vitFeatures(g, vit, x);
  const outputs: Record<string, Tensor> = {
    'mid.tokens': layers[Math.floor(vit.config.depth / 2)]!.tokens,
    'last.queries': facet(last, 'queries'), 'last.keys': keys, 'last.values': facet(last, 'values'), 'last.tokens': last.tokens,
    self_similarity: objectives['self_similarity']!, 'short.keys': short.keys, 'short.cls': short.cls,
  };
  clsAttention(vit, last).forEach((t, h) => (outputs[`attention.${h}`] = t));
  const seeded = (key: string, t: Tensor): Tensor =>
    sum(mul(t, g.constant(fill(`${meta['tag']}.seed.${key}`, t.shape), t.shape)));
  for (const [key, t] of Object.entries(objectives)) outputs[`grad_image.${key}`] = gradients(seeded(key, t), [image])[0]!;
  outputs['short.grad'] = gradients(seeded('cls', short.cls), [image])[0]!;

  const program = await engine.compile(outputs);
  program.write('image', testImage(meta['image'] as string, height, width));
  program.run();
  const check = async (output: string, key: string): Promise<void> =>
    assertClose(`${name} ${output}`, await program.read(output), get(key).data, tolerance(key));
  for (const key of Object.keys(outputs)) if (!/^(short|attention)/.test(key)) await check(key, key);
  await check('short.keys', 'last.keys');
  await check('short.grad', 'grad_image.cls');
  const cls = get('last.tokens').data.slice(0, vit.config.dim);
  assertClose(`${name} short.cls`, await program.read('short.cls'), cls, tolerance('last.tokens'));
  const tokens = outputs['last.keys']!.shape[1]!;
  for (let h = 0; h < vit.config.heads; h++) {
    const rows = get('last.attention_cls').data.slice(h * tokens, (h + 1) * tokens);
    assertClose(`${name} attention ${h}`, await program.read(`attention.${h}`), rows, tolerance('last.attention_cls'));
  }
  program.destroy();
}

for (const name of cases) {
  test(name, async () => {
    const tunings = hardest.test(name) ? await testedTunings() : [{}];
    for (const tuning of tunings) await compare(name, tuning);
  });
}

// Every driver that the tests bring to Node has float16.
if (isBare) console.log('skipped: half precision, which a device without features does not have');
for (const name of isBare ? [] : cases) {
  test(`${name} in half precision`, async () => {
    const tunings = hardest.test(name) ? await testedTunings() : [{}];
    for (const tuning of tunings) await compare(name, tuning, 'f16');
  });
}

test.run();
