/**
 * Real photos and weights that are too large for the repository, or whose license is unclear. Tests look for them in the folder
 * that SPLICE_GPU_DATA names, else in `shared` next to the repository, and print a line when they are skipped.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = process.env['SPLICE_GPU_DATA'] ?? fileURLToPath(new URL('../../../../shared', import.meta.url));

/** The path of a file such as `pairs/cows/structure.jpg`. Prints a line and returns undefined when it is missing. */
export function dataFile(name: string): string | undefined {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  console.log(`skipped: ${name} is not in ${folder} (SPLICE_GPU_DATA names another folder)`);
  return undefined;
}
