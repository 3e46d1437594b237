/** How the checksum of a model's file is known, and what that is worth. */
import { findKnown, type KnownModel } from './known.js';

/** In words, for `models list` and `models verify`. */
export const checksums = {
  published: 'published by its makers',
  reported: "from a third party, never compared with the makers' file",
  'first use': 'of the file that came first',
  trusted: 'accepted with --trust',
  added: 'of the file that was added',
  wrong: 'not the expected one',
} as const;

/** Of a file in the cache. */
export type Trust = keyof typeof checksums;

interface File {
  readonly name: string;
  readonly sha256: string;
}

/** What is known of a file, whatever its record says of itself. @param seen checksum that came first, or was trusted since */
export function trustOf({ name, sha256 }: File, seen: string | undefined): Trust {
  const known = findKnown(name);
  if (!known) return 'added';
  if (known.sha256 === sha256) return known.isPublished ? 'published' : 'reported';
  if (known.isPublished || (seen !== undefined && seen !== sha256)) return 'wrong';
  if (known.sha256 === undefined) return 'first use';
  return seen === sha256 ? 'trusted' : 'wrong';
}

/** Of a file whose trust is `wrong`. */
export function whyWrong({ name, sha256 }: File): string {
  const expected = findKnown(name)?.sha256;
  const instead = expected ? `instead of ${expected}` : 'but another came first';
  return `it is not the ${name} that is known: its record has SHA-256 ${sha256} ${instead}`;
}

/** The remedy for a file in the cache that is damaged or not what it should be. */
export const replaceIt = (name: string): string => `splice-gpu models remove ${name}, then get or add it again`;

/** What differs between a file that arrived and the one that is expected. Whom the user trusted counts before a third party. */
export function differenceOf(
  model: KnownModel, seen: string | undefined, { bytes, sha256 }: { readonly bytes?: number; readonly sha256: string },
): string | undefined {
  const wanted = seen ?? model.sha256;
  if (wanted === undefined || [seen, model.sha256].includes(sha256)) return undefined;
  const isLength = !seen && bytes !== undefined && model.bytes !== undefined && bytes !== model.bytes;
  const sizes = isLength ? `it has ${bytes} bytes instead of ${model.bytes}, ` : '';
  const who = seen
    ? 'the file is not the one that was fetched first'
    : 'that one is from a third party, and was never compared with the makers\' file';
  const remedy = `--trust accepts it (splice-gpu models get ${model.name} --trust)`;
  return `${sizes}its SHA-256 is ${sha256} instead of ${wanted}; ${who}: ${remedy}`;
}
