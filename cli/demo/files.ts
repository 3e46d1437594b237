/** Locations of the drawn landscapes. */
import { join } from 'node:path';
import { packageRoot } from '../shared/files.js';

/** The committed picture of a scene. */
export const scenePath = (kind: 'valley' | 'peaks'): string => join(packageRoot, 'cli/demo', `${kind}.png`);
