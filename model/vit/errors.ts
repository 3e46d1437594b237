/** Weights or sidecar do not make a ViT. The message names the tensor or field, the expected and the found value. */
export class CheckpointError extends Error { override readonly name = 'CheckpointError'; }
