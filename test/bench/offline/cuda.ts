/**
 * The WGSL of this project's kernels as CUDA C++, so that NVIDIA's compiler says what it makes of them. Pure.
 *
 * It is no translator of WGSL: it rewrites the text, by the conventions that test/unit and Dawn hold the kernels to. Module scope
 * is split into declarations; types, functions and constants of WGSL that CUDA lacks are in prelude.cuh.
 */
import type { Kernel } from '../../../engine/index.js';

/** The declarations at module scope without comments: it is split at semicolons and closing braces that are in no brace. */
export function declarationsOf(code: string): string[] {
  const text = code.replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
  const found: string[] = [];
  let [depth, from] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '{') depth++;
    if (text[i] === '}') depth--;
    if (depth > 0 || !/[};]/.test(text[i]!)) continue;
    found.push(text.slice(from, i + 1).trim());
    from = i + 1;
  }
  return found.filter((declaration) => declaration !== ';');
}

/** Index of the bracket that closes the one at `open`. */
function closing(text: string, open: number): number {
  for (let depth = 0, i = open; i < text.length; i++) {
    if ('([{'.includes(text[i]!)) depth++;
    if (')]}'.includes(text[i]!) && --depth === 0) return i;
  }
  throw new Error(`cuda: a bracket is not closed: ${text.slice(open, open + 40)}`);
}

/** The parts between commas that are in no bracket. */
function parts(list: string): string[] {
  let depth = 0;
  const marked = [...list].map((c) => {
    if ('([{<'.includes(c)) depth++;
    if (')]}>'.includes(c)) depth--;
    return c === ',' && depth === 0 ? '\0' : c;
  }).join('');
  return marked.split('\0').map((part) => part.trim()).filter(Boolean);
}

/** `name: type` as [name, type]. */
function typed(text: string): [string, string] {
  const at = text.indexOf(':');
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

/** Decimal numbers get the suffix that keeps them f32. */
const floats = (text: string): string =>
  text.replace(/(?<![\w.])(\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+)(?![\w.])f?/g, '$1f').replace(/(\d)\.f/g, '$1.0f');

/** Statements and expressions. Functions of the kernel get a prefix: a local variable may have the same name. */
function body(text: string, functions: ReadonlySet<string>): string {
  let code = floats(text)
    .replace(/\blet (\w+)\s*:\s*([\w<>, ]+?)\s*=/g, 'const $2 $1 =').replace(/\blet (\w+)\s*=/g, 'const auto $1 =')
    .replace(/\bvar (\w+)\s*:\s*([\w<>, ]+?)\s*=/g, '$2 $1 =').replace(/\bvar (\w+)\s*=/g, 'auto $1 =')
    .replace(/\.([xyzw]{2,4})\b/g, '.$1()')
    .replace(/(?<![.\w])(\w+)\(/g, (call, name: string) => (functions.has(name) ? `fn_${name}(` : call));
  for (let at = 0; ;) { // a case ends at its brace
    const found = /\b(case [^:{]+|default)\s*:?\s*\{/g;
    found.lastIndex = at;
    const match = found.exec(code);
    if (!match) return code;
    const open = found.lastIndex - 1;
    const end = closing(code, open);
    const labels = match[1] === 'default' ? 'default:' : parts(match[1]!.slice(5)).map((label) => `case ${label}:`).join(' ');
    code = `${code.slice(0, match.index)}${labels} ${code.slice(open, end)} break; }${code.slice(end + 1)}`;
    at = match.index + labels.length + 2;
  }
}

/** Values of the entry point's parameters. */
const BUILTINS: Readonly<Record<string, string>> = {
  workgroup_id: 'vec3u(blockIdx.x, blockIdx.y, blockIdx.z)',
  num_workgroups: 'vec3u(gridDim.x, gridDim.y, gridDim.z)',
  local_invocation_index: 'threadIdx.x',
  local_invocation_id: 'vec3u(threadIdx.x, 0u, 0u)',
  subgroup_invocation_id: 'threadIdx.x % 32u',
  subgroup_id: 'threadIdx.x / 32u',
  subgroup_size: '32u',
};

/** A function as a member of the kernel's structure; `main` also gives the values of its parameters. */
function functionOf(declaration: string, functions: ReadonlySet<string>): string {
  const start = declaration.indexOf('fn ');
  const open = declaration.indexOf('(', start);
  const close = closing(declaration, open);
  const name = declaration.slice(start + 3, open).trim();
  const brace = declaration.indexOf('{', close);
  const result = /->\s*(.+)/.exec(declaration.slice(close + 1, brace))?.[1]?.trim() ?? 'void';
  const parameters = parts(declaration.slice(open + 1, close));
  const statements = body(declaration.slice(brace), functions);
  if (name !== 'main') {
    return `GPU ${result} fn_${name}(${parameters.map(typed).map(([n, type]) => `${type} ${n}`).join(', ')}) ${statements}`;
  }
  const values = parameters.map((parameter) => {
    const [, builtin, n] = /@builtin\((\w+)\)\s*(\w+)/.exec(parameter) ?? [];
    const value = BUILTINS[builtin!];
    if (!value) throw new Error(`cuda: no value for ${parameter}`);
    return `const auto ${n} = ${value};`;
  });
  return `GPU void fn_main() { ${values.join(' ')}\n${statements.slice(1)}`;
}

/** Any other declaration. */
function itemOf(declaration: string, constants: NonNullable<Kernel['constants']>, functions: ReadonlySet<string>): string {
  const [, kind] = /^(?:@\w+\([^)]*\)\s*)*(\w+)/.exec(declaration) ?? [];
  const text = declaration.replace(/;$/, '');
  if (kind === 'enable' || kind === 'requires' || kind === 'diagnostic') return '';
  if (kind === 'alias') return text.replace(/^alias (\w+)\s*=\s*(.+)$/, 'typedef $2 $1;');
  if (kind === 'override') {
    const [name, type] = typed(text.slice('override '.length).split('=')[0]!);
    const value = constants[name] ?? text.split('=')[1]?.trim();
    if (value === undefined) throw new Error(`cuda: no value for override ${name}`);
    return `static constexpr ${type} ${name} = ${type}(${value});`;
  }
  if (kind === 'const') {
    const [, name, type = 'auto', value] = /^const (\w+)\s*(?::\s*(\S+)\s*)?=(.*)$/s.exec(text) ?? [];
    return `static constexpr ${type} ${name} =${body(value!, functions)};`;
  }
  if (kind === 'struct') return structOf(text);
  const found = /var<(uniform|storage|workgroup|private)(?:,\s*(\w+))?>\s*(\w+)\s*:?\s*(.*)$/s.exec(text);
  if (!found) throw new Error(`cuda: cannot rewrite ${declaration}`);
  const [, space, access, name, type] = found;
  if (space === 'uniform') return `__constant__ ${type} ${name};`;
  const [, element, count] = /^array<\s*(\w+)\s*(?:,\s*(.*))?>$/s.exec(type!) ?? [];
  // A structure in storage is taken for a uniform: kernels read a handful of numbers from it.
  if (space === 'storage' && !element) return `__constant__ ${type} ${name};`;
  if (space === 'storage') return `__constant__ ${access === 'read' ? 'const ' : ''}${element} *__restrict__ ${name};`;
  // Matrices are loaded from 32 bytes on.
  const aligned = element === 'unit' ? '__align__(32) ' : '';
  return element ? `__shared__ ${aligned}${element} ${name}[${count}];` : `__shared__ ${type} ${name};`;
}

function structOf(text: string): string {
  const [, name, inside] = /^struct (\w+)\s*\{(.*)\}/s.exec(text) ?? [];
  const fields = parts(inside!).map(typed);
  const list = (each: (n: string, type: string) => string, by: string): string =>
    fields.map(([n, type]) => each(n, type)).join(by);
  const build = `GPU ${name}(${list((n, type) => `${type} ${n}_`, ', ')}) : ${list((n) => `${n}(${n}_)`, ', ')} {}`;
  return `struct ${name} { ${list((n, type) => `${type} ${n};`, ' ')} ${name}() = default; ${build} };`;
}

/** `var<private> n = 0.0;` as a member of the kernel's structure, of which every thread has its own. */
function memberOf(declaration: string, functions: ReadonlySet<string>): string {
  const pattern = /^var<private>\s*(\w+)\s*(?::\s*([^=]+?)\s*)?(?:=\s*(.+?))?;$/s;
  const [, name, type = 'f32', value] = pattern.exec(declaration) ?? [];
  return `${type} ${name} = ${value ? body(value, functions) : `${type}()`};`;
}

const isFunction = (declaration: string): boolean => /^(@(compute|workgroup_size\([^)]*\))\s*)*fn /.test(declaration);
/** Types come first: WGSL may use them before it declares them. */
const ORDER = [/^alias/, /^struct/, /./];
const rank = (declaration: string): number => ORDER.findIndex((pattern) => pattern.test(declaration));

/**
 * A kernel as CUDA with the entry point `entry`, in a namespace of its own. It follows prelude.cuh.
 * @throws Error for WGSL that it does not know
 */
export function cudaOf({ code, constants = {} }: Pick<Kernel, 'code' | 'constants'>, entry: string): string {
  const declarations = declarationsOf(code.replace(/\bvec([234])<(\w+)>/g, 'vec<$2, $1>')).sort((a, b) => rank(a) - rank(b));
  const functions = new Set(declarations.filter(isFunction).map((d) => /fn (\w+)/.exec(d)![1]!));
  const isMember = (declaration: string): boolean => declaration.startsWith('var<private>');
  const items = declarations.filter((d) => !isFunction(d) && !isMember(d)).map((d) => itemOf(d, constants, functions));
  const members = declarations.filter(isMember).map((d) => memberOf(d, functions));
  const texts = declarations.filter(isFunction).map((d) => functionOf(d, functions));
  const size = /@workgroup_size\(([^)]*)\)/.exec(code)?.[1] ?? '1';
  const structure = `struct Kernel {\n${[...members, ...texts].join('\n')}\n};`;
  const main = `extern "C" __global__ void __launch_bounds__(${size}) ${entry}() { Kernel().fn_main(); }`;
  return `namespace wgsl { namespace ${entry}_ {\n${[...items, structure, main].join('\n')}\n} }\n`;
}
