/** The weights or settings are not a usable ViT. The message names the tensor or field and what was expected. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';

  /** @param remedy for people */
  constructor(message: string, readonly remedy = 'use another ViT') {
    super(message);
  }
}
