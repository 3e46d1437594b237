/**
 * Real photos and weights that are too large, or too unclear in their license, to live in the repository. Tests that need them
 * look in the folder named by SPLICE_GPU_DATA, else in `shared` beside the repository, and say so when they are skipped.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = process.env['SPLICE_GPU_DATA'] ?? fileURLToPath(new URL('../../../../shared', import.meta.url));

/** The path of `pairs/cows/structure.jpg` and the like, or undefined and a line that says what is not tested. */
export function dataFile(name: string): string | undefined {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  console.log(`skipped: ${name} is not in ${folder} (SPLICE_GPU_DATA names another folder)`);
  return undefined;
}
