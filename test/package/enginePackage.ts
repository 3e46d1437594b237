/**
 * The package for pages and other programs: engine, shaders, models and the default weights, without the command line, whose
 * dependencies are a hundred times as large. Made of the same build as `splice-gpu`, which has the same exports.
 *
 *     npm run pack:engine      # makes dist/splice-gpu-engine, for npm publish
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../helpers/sources.js';

export const ENGINE_PACKAGE = 'splice-gpu-engine';

/** What the engine needs at run time, and its types. */
const DEPENDENCIES = ['@webgpu/types', 'wgsl-preprocessor'];
const FILES = [
  'dist/engine', 'dist/shaders', 'dist/model', 'model/weights/vit_mini8.json', 'model/weights/vit_mini8.md',
  'model/weights/vit_mini8.safetensors', 'engine/README.md', 'model/README.md', 'shaders/README.md', 'LICENSE',
];

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly exports: unknown;
  readonly dependencies: Readonly<Record<string, string>>;
}

const readme = `# ${ENGINE_PACKAGE}

A compute engine on WebGPU with hand-written WGSL kernels, forward and backward, and the vision transformers, generators and
training of splice-gpu, for pages and other programs. Start with [the contract](engine/README.md#embedding) and
[the models](model/README.md).

The command line is the package splice-gpu, which has all of this too.
`;

/** Writes the package to `folder`, which is emptied first. The project must be built. */
export function makeEnginePackage(folder: string): void {
  const { version, license, exports, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  rmSync(folder, { recursive: true, force: true });
  for (const file of FILES) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file), { recursive: true });
  }
  const manifest = {
    name: ENGINE_PACKAGE, version, license, type: 'module', sideEffects: false, exports,
    description: 'A compute engine on WebGPU with hand-written kernels, forward and backward; ViTs, generators and training',
    dependencies: Object.fromEntries(DEPENDENCIES.map((name) => [name, dependencies[name]!])),
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(folder, 'README.md'), readme);
}
