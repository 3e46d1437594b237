/** Takes the place of `helpers/host.ts` in a bundle of tests for a page or Deno, where WebGPU is built in. */

/** esbuild puts all files into the bundle that the pattern of its argument fits. */
declare function require(path: string): Uint8Array;

export const gpu: GPU = navigator.gpu;
export const isBare = true;
export const ownOnly = false;
export const goldenFile = (name: string): Uint8Array => require(`../../../test/golden/${name}.safetensors`);
