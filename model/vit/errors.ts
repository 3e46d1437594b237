/** Weights or sidecar do not make a ViT. The message names the tensor or field, what was expected and what is there. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}
