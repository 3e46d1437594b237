/**
 * Half precision in memory for any kernel.
 *
 * What: a kernel is written once, with arrays of f32, vec2f or vec4f. For tensors that are kept as float16 its text is rewritten:
 * the element type of their bindings becomes f16, vec2h or vec4h, every load is widened to f32, and every store is rounded. All
 * arithmetic stays in f32:
 *
 *     var<storage, read> x: array<vec4f>;      ->   var<storage, read> x: array<vec4h>;
 *     y[i] = 2.0 * x[i];                       ->   y[i] = vec4h(2.0 * vec4f(x[i]));
 *
 * Why: the tensors to keep in half precision are known when a graph is planned. A second text of every kernel, or a macro around
 * every load, would make all kernels harder to read for the sake of an option.
 *
 * Rules for authors of kernels: the text that runs is not the text that is written. The rewriting goes by the text alone,
 * so a binding that may hold halves
 * - is declared on a line of its own as `@group(0) @binding(n) var<storage, ...> name: array<type>;`;
 * - has the type f32, vec2f, vec4f, or an `alias` of one of them at the start of a line;
 * - is used only as `name[index]`: no pointer to it, no store to a component (`x[i].y = ...`), no `+=`;
 * - shares its name with nothing else that is indexed.
 * All but the last are checked when a graph is compiled. test/unit/halfStorage.test.ts has examples, and tries all kernels.
 */
import { rewriter } from '../parts/remembered.js';

/** Element types and their replacements. */
const HALVES: Readonly<Record<string, string>> = { f32: 'f16', vec2f: 'vec2h', vec4f: 'vec4h' };

/** Index of the bracket that closes the one at `open`. */
function closing(code: string, open: number): number {
  for (let depth = 0, at = open; at < code.length; at++) {
    if (code[at] === '[') depth++;
    if (code[at] === ']' && --depth === 0) return at;
  }
  throw new Error('half storage: a bracket is not closed');
}

/** Every load of `name` widened to `wide`, every store rounded to `half`. */
function converted(code: string, name: string, wide: string, half: string): string {
  const use = new RegExp(`(?<![\\w.])${name}\\[`).exec(code);
  if (!use) return code;
  const inside = (part: string): string => converted(part, name, wide, half);
  const open = use.index + name.length;
  const close = closing(code, open);
  const element = `${name}[${inside(code.slice(open + 1, close))}]`;
  const before = code.slice(0, use.index);
  const rest = code.slice(close + 1);
  const isStore = /^\s*=[^=]/.test(rest);
  if (isStore) {
    const [from, end] = [rest.indexOf('=') + 1, rest.indexOf(';')];
    return `${before}${element} = ${half}(${inside(rest.slice(from, end)).trim()})${inside(rest.slice(end))}`;
  }
  if (/^(\.\w+|\[[^\]]*\])?\s*[-+*/]?=[^=]/.test(rest)) throw new Error(`half storage: ${name} is written in part`);
  return `${before}${wide}(${element})${inside(rest)}`;
}

/**
 * `code` with the storage bindings numbered in `bindings` as arrays of f16 instead of f32.
 * @throws Error for a binding that is not an array of floats, or that is written in part
 */
export const halfStorage = rewriter((bindings: readonly number[]) => bindings.join(), (code, bindings) => {
  const aliases = new Map([...code.matchAll(/^alias (\w+) = (\w+);/gm)].map(([, name, type]) => [name!, type!]));
  let result = code;
  for (const binding of bindings) {
    const found = new RegExp(`(@binding\\(${binding}\\) var<storage, \\w+> (\\w+): array<)(\\w+)(>;)`).exec(result);
    const [declaration, head, name, type, tail] = found ?? [];
    const wide = aliases.get(type!) ?? type!;
    const half = HALVES[wide];
    if (!found || !half) throw new Error(`half storage: binding ${binding} is not an array of floats`);
    const [before, after] = [result.slice(0, found.index), result.slice(found.index + declaration!.length)];
    result = `${converted(before, name!, wide, half)}${head}${half}${tail}${converted(after, name!, wide, half)}`;
  }
  return `enable f16;\n${result}`;
});
