/** A teacher's answers to crops that come again: each is asked for once. */
import type { Engine, Graph, Tensor } from '../../engine/index.js';

/** Values of the outputs of a graph, by name. */
type Values = Map<string, Float32Array>;

/**
 * Keeps the outputs of `graph`, whose one input `crops` and whose outputs have a batch as their first axis. `of` names the crops
 * of a batch; a batch of known names is not computed.
 */
export async function keptAnswers(engine: Engine, graph: (g: Graph) => Readonly<Record<string, Tensor>>) {
  const outputs = graph(engine.graph());
  const program = await engine.compile(outputs);
  const kept = new Map<string, Values>();

  async function ask(names: readonly string[], crops: Float32Array): Promise<void> {
    program.write('crops', crops);
    program.run();
    const answers = names.map((): Values => new Map());
    for (const output of Object.keys(outputs)) {
      const all = await program.read(output);
      const size = all.length / names.length;
      answers.forEach((answer, i) => answer.set(output, all.slice(i * size, (i + 1) * size)));
    }
    names.forEach((name, i) => kept.set(name, answers[i]!));
  }

  return {
    of: async (names: readonly string[], crops: Float32Array): Promise<Values> => {
      if (!names.every((name) => kept.has(name))) await ask(names, crops);
      return new Map(Object.entries(outputs).map(([output, { shape }]) => {
        const all = new Float32Array(shape.reduce((size, length) => size * length, 1));
        names.forEach((name, i) => all.set(kept.get(name)!.get(output)!, (i * all.length) / names.length));
        return [output, all];
      }));
    },
    destroy: () => program.destroy(),
  };
}
