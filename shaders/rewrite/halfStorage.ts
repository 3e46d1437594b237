/** Kernels that keep some of their tensors in half precision: they load it into f32, compute as ever, and round what they store. */
import { remembered } from '../parts/common.js';

/** What an array of each element type holds instead. */
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
  const open = use.index + name.length;
  const close = closing(code, open);
  const element = `${name}[${converted(code.slice(open + 1, close), name, wide, half)}]`;
  const rest = code.slice(close + 1);
  const before = code.slice(0, use.index);
  if (!/^\s*=[^=]/.test(rest)) {
    if (/^(\.\w+|\[[^\]]*\])?\s*[-+*/]?=[^=]/.test(rest)) throw new Error(`half storage: ${name} is written in part`);
    return `${before}${wide}(${element})${converted(rest, name, wide, half)}`;
  }
  const [from, end] = [rest.indexOf('=') + 1, rest.indexOf(';')];
  return `${before}${element} = ${half}(${converted(rest.slice(from, end), name, wide, half).trim()})${converted(rest.slice(end), name, wide, half)}`;
}

/**
 * `code` with the storage bindings numbered in `bindings` as arrays of f16 instead of f32. It relies on how the kernels here are written: a
 * binding is an array of floats or vectors, one a declaration, and is read or written by the element, `x[i]`, never through a pointer.
 * @throws Error for a kernel that is written otherwise
 */
export const halfStorage = remembered((code: string, bindings: readonly number[]): string => {
  const aliases = new Map([...code.matchAll(/^alias (\w+) = (\w+);/gm)].map(([, name, type]) => [name!, type!]));
  let result = code;
  for (const binding of bindings) {
    const found = new RegExp(`(@binding\\(${binding}\\) var<storage, \\w+> (\\w+): array<)(\\w+)(>;)`).exec(result);
    const [declaration, head, name, type, tail] = found ?? [];
    const wide = aliases.get(type!) ?? type!;
    const half = HALVES[wide];
    if (!found || !half) throw new Error(`half storage: binding ${binding} is no array of floats`);
    const [before, after] = [result.slice(0, found.index), result.slice(found.index + declaration!.length)];
    result = `${converted(before, name!, wide, half)}${head}${half}${tail}${converted(after, name!, wide, half)}`;
  }
  return `enable f16;\n${result}`;
});
