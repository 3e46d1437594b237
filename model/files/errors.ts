/** Errors of all readers of checkpoints. */

/** The file is damaged, hostile or of a kind that is not read. The message is one line with place and reason. */
export class CheckpointFileError extends Error {
  override readonly name = 'CheckpointFileError';

  /** @param remedy for people; without one the file is damaged */
  constructor(message: string, readonly remedy = 'get the file again') {
    super(message);
  }
}

/** Text from a file for one line of an error: short, and without control characters. */
export function shown(text: string, most = 80): string {
  const cut = text.length > most ? `${text.slice(0, most)}...` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}

/** The first few names, so that an error stays one readable line. */
export const listed = (names: readonly string[], most = 10): string =>
  names.slice(0, most).map((name) => shown(name)).join(', ') + (names.length > most ? ` and ${names.length - most} more` : '');
