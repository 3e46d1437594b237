/** Programs by what they compute: as few as possible, each run at many sizes. */
import type { Engine, Graph, Program, Tensor, Variant } from '../../engine/index.js';

/** Sets of sizes remembered at once, some tens of KiB each. */
const MOST_SIZES = 1024;

/** A program and the sizes to run it at. */
type Prepared = Readonly<{ program: Program; variant: Variant }>;

export type ProgramCache<K> = ReturnType<typeof programCache<K>>;

/**
 * One program, compiled for the largest sizes, serves all sizes of a kind. A size whose graph differs in more than numbers gets
 * a program of its own. The sizes that were unused for longest are forgotten when there are too many.
 * @param build the outputs of a kind, a plain JSON value
 * @param largest the same kind at its largest sizes
 */
export function programCache<K>(
  engine: Engine, build: (g: Graph, kind: K) => Record<string, Tensor>, largest: (kind: K) => K = (kind) => kind,
) {
  const programs: Program[] = [];
  const prepared = new Map<string, Prepared>();

  const compile = async (kind: K): Promise<Prepared> => {
    const program = await engine.compile(build(engine.graph(), kind));
    programs.push(program);
    return { program, variant: program.base };
  };
  const adapt = (kind: K): Prepared | undefined => {
    const outputs = build(engine.graph(), kind);
    for (const program of programs) {
      const variant = program.variant(outputs);
      if (variant) return { program, variant };
    }
    return undefined;
  };
  const prepare = async (kind: K): Promise<Prepared> => {
    const known = adapt(kind);
    if (known) return known;
    const big = largest(kind);
    if (!adapt(big)) await compile(big);
    return adapt(kind) ?? compile(kind);
  };

  return {
    /** The program for `kind`, set to its sizes. */
    get: async (kind: K): Promise<Program> => {
      const key = JSON.stringify(kind);
      const found = prepared.get(key) ?? (await prepare(kind));
      prepared.delete(key);
      prepared.set(key, found);
      if (prepared.size > MOST_SIZES) prepared.delete(prepared.keys().next().value!);
      found.program.use(found.variant);
      return found.program;
    },
    destroy: (): void => {
      for (const program of programs) program.destroy();
      programs.length = 0;
      prepared.clear();
    },
  };
}
