/** A student that begins as the first blocks of its teacher. */
import type { VitConfig, VitModel, Weight } from '../vit/config.js';
import { CLS_HEAD } from './distill.js';
import { firstBlocksProblem, vitConfigOf, type PretrainOptions } from './options.js';
import { identityMatrix } from './student.js';

/** The share of every pixel of a small patch in every pixel of a large one, when enlarged by linear interpolation within it. */
function enlarging(small: number, large: number): number[][] {
  return Array.from({ length: large }, (_, i) => {
    const x = Math.min(small - 1, Math.max(0, ((i + 0.5) * small) / large - 0.5));
    return Array.from({ length: small }, (_, j) => Math.max(0, 1 - Math.abs(x - j)));
  });
}

/**
 * The embedding of patches of another side and normalisation that gives a patch the token of the enlarged patch, as FlexiViT does
 * (Beyer et al., https://arxiv.org/abs/2212.08013): B^T w B times the ratio of deviations, and a bias for the means' difference.
 */
function patchEmbedding({ weights, config }: VitModel, own: VitConfig): [string, Weight][] {
  const [weight, bias] = ['weight', 'bias'].map((part) => weights.get(`patch_embed.proj.${part}`)!) as [Weight, Weight];
  const { patch: P, dim: C } = config;
  const p = own.patch;
  const shares = enlarging(p, P);
  const [data, constants] = [new Float32Array(C * 3 * p * p), Float32Array.from(bias.data)];
  for (let o = 0; o < C; o++) {
    for (let c = 0; c < 3; c++) {
      const scale = own.std[c]! / config.std[c]!;
      const shift = (own.mean[c]! - config.mean[c]!) / config.std[c]!;
      for (let at = 0; at < P * P; at++) {
        const w = weight.data[(o * 3 + c) * P * P + at]!;
        constants[o]! += w * shift;
        const [ys, xs] = [shares[Math.floor(at / P)]!, shares[at % P]!];
        ys.forEach((y, i) => {
          if (y > 0) xs.forEach((x, j) => (data[((o * 3 + c) * p + i) * p + j]! += scale * w * y * x));
        });
      }
    }
  }
  return [
    ['patch_embed.proj.weight', { shape: [C, 3, p, p], data }], ['patch_embed.proj.bias', { shape: [C], data: constants }],
  ];
}

/**
 * Weights of a student: CLS token, positions and first blocks of the teacher, its embedding of patches for the student's, and a
 * head that takes the student's normalised CLS token for the teacher's. What they lack begins at random, as without them.
 * @throws Error for a teacher that `firstBlocksProblem` does not accept
 */
export function firstBlocks(teacher: VitModel, options: PretrainOptions): Map<string, Weight> {
  const problem = firstBlocksProblem(options, teacher.config);
  if (problem) throw new Error(`${teacher.name}: ${problem}`);
  const isTaken = (name: string): boolean => {
    const block = /^blocks\.(\d+)\./.exec(name);
    return block ? Number(block[1]) < options.depth : name === 'cls_token' || name === 'pos_embed';
  };
  const C = teacher.config.dim;
  return new Map([
    ...[...teacher.weights].filter(([name]) => isTaken(name)), ...patchEmbedding(teacher, vitConfigOf(options)),
    [`${CLS_HEAD}.weight`, { shape: [C, C], data: identityMatrix(C) }],
  ]);
}
