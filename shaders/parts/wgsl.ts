/** The only place that calls wgsl-preprocessor: its tagged template, with the checks it lacks. */
import { wgsl as preprocess } from 'wgsl-preprocessor/wgsl-preprocessor.js';
import { keep } from './remembered.js';

type Value = string | number | boolean;

/** Texts of a template, value after value: a value that is a text made here is found by its address, without a copy. */
interface Texts {
  text?: string;
  readonly next: Map<Value, Texts>;
}
const noTexts = (): Texts => ({ next: new Map() });
const templates = new WeakMap<TemplateStringsArray, Texts>();

/**
 * WGSL source from a template. Values are spliced in as text, integers or, after `#if` and `#elif`, taken as conditions.
 * Directives stand alone on their line: `#if ${flag}`, `#elif ${flag}`, `#else`, `#endif`.
 *
 * The package silently mistakes `#elseif`, `#if ${a} && ${b}`, spliced `undefined` or arrays, and `${1.0}` (which becomes the
 * integer 1); all of these throw here. Floats belong in overrides or in `dims`.
 * @throws SyntaxError for a directive that is not alone on its line, TypeError for a value that cannot be spliced
 */
export function wgsl(strings: TemplateStringsArray, ...values: readonly Value[]): string {
  let texts = keep(templates, strings, noTexts);
  for (const value of values) texts = keep(texts.next, value, noTexts);
  return (texts.text ??= checkedText(strings, values));
}

function checkedText(strings: TemplateStringsArray, values: readonly Value[]): string {
  const lines = strings.join('\0').split('\n'); // \0 marks where a value goes
  const bad = lines.find((line) => line.includes('#') && !/^\s*#((if|elif) \0|else|endif)\s*$/.test(line));
  const shown = bad?.trim().replaceAll('\0', '${…}');
  if (shown !== undefined) throw new SyntaxError(`wgsl: not a directive alone on its line: "${shown}"`);
  values.forEach((value, i) => {
    const isCondition = /#(if|elif) $/.test(strings[i]!);
    const fits = isCondition ? typeof value === 'boolean' : typeof value === 'string' || Number.isInteger(value);
    if (fits) return;
    const rule = isCondition ? '#if takes a boolean' : 'splice in strings or integers only (floats are overrides)';
    throw new TypeError(`wgsl: ${rule}, got ${String(value)}`);
  });
  return preprocess(strings, ...values);
}
