/**
 * Test-time registers (Jiang et al., "Vision Transformers Don't Need Trained Registers", arXiv 2506.08010). In many ViTs a few
 * neurons write a huge activation into a few patches without content, which then disturb keys, self-similarity and pictures. An
 * added zero token takes the largest activation of these neurons, and all other tokens get zero. Nothing is trained.
 * `study/registerNeurons.ts` finds the neurons.
 */
import type { Neuron, VitConfig, VitModel } from './config.js';
import { CheckpointError } from './errors.js';

/** @throws CheckpointError for a ViT with registers of its own, and for neurons that it does not have before its last block */
export function withRegisterNeurons(vit: VitModel, neurons: readonly Neuron[]): VitModel {
  const { dim, depth, hidden, registers } = vit.config;
  if (registers) throw new CheckpointError(`it has ${registers} registers of its own, and no need of test-time registers`);
  const bad = neurons.find(([layer, unit]) => layer >= depth - 1 || unit >= hidden);
  if (bad) {
    const range = `layers 0 to ${depth - 2} before the last, with units 0 to ${hidden - 1}`;
    throw new CheckpointError(`the register neuron ${bad.join(':')} does not exist: it has ${range}`);
  }
  const token = { shape: [1, 1, dim], data: new Float32Array(dim) };
  const config: VitConfig = { ...vit.config, registers: 1, registerNeurons: neurons };
  return { ...vit, config, weights: new Map([...vit.weights, ['register_tokens', token]]) };
}
