import type { Engine, Tensor } from '../engine/index.js';

/** The part of an engine that builds and compiles programs. */
export type Computing = Pick<Engine, 'graph' | 'compile'>;

/** Compiles a program, runs it on `inputs` and destroys it; returns all outputs by name. */
export async function runOnce<Name extends string>(
  engine: Pick<Engine, 'compile'>, outputs: Readonly<Record<Name, Tensor>>,
  inputs: Iterable<readonly [string, Float32Array | readonly number[]]>,
): Promise<Record<Name, Float32Array>> {
  const program = await engine.compile(outputs);
  try {
    for (const [name, data] of inputs) program.write(name, data);
    program.run();
    const results = {} as Record<Name, Float32Array>;
    for (const name of Object.keys(outputs) as Name[]) results[name] = await program.read(name);
    return results;
  } finally {
    program.destroy();
  }
}
