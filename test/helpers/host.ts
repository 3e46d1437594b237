/** What tests need of Node. In a page and in Deno `everywhere/host.ts` takes this file's place. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { create, globals } from 'webgpu';
import { mesaSettings } from '../../cli/gpu/mesa.js';

Object.assign(process.env, mesaSettings());
Object.assign(globalThis, globals);
/** Dawn's checks are on, unless the tests are to show that the kernels do without. */
const unchecked = process.env['SPLICE_GPU_UNCHECKED'] ? ['enable-dawn-features=disable_robustness,disable_workgroup_init'] : [];

/** Kept: the process ends when it is collected. */
export const gpu: GPU = create(unchecked);

/** Whether the tests' device has the default limits and no features. */
export const isBare: boolean = process.env['SPLICE_GPU_BARE'] !== undefined;

/** Whether ops are tested in the device's own kernels alone. */
export const ownOnly: boolean = process.env['SPLICE_GPU_OWN'] !== undefined;

/** The bytes of a file of test/golden, by its name without the ending. */
export const goldenFile = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../../../test/golden/${name}.safetensors`, import.meta.url))));
