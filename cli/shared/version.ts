/** The package's own version. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './files.js';

export function version(): string {
  const description = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  return description.version;
}
