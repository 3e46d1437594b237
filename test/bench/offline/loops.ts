/** The hot loops of machine code: what an innermost loop with multiply-adds consists of. Pure. */
import type { Compiled, Loop } from '../../../cli/bench/prediction.js';

/** What an instruction is to the prediction. */
export interface Instruction {
  readonly kind: keyof Omit<Loop, 'all' | 'fma' | 'units'> | 'vector' | 'scalar' | 'none';
  /** Multiply-adds of a lane that it does: 2 if it is packed or dual. */
  readonly fma?: number;
  /** Multiply-adds of a lane that matrix units do. */
  readonly units?: number;
  /** Bytes that it loads from memory for a lane. */
  readonly loads?: number;
  /** Index of the instruction that it may jump to. */
  readonly target?: number;
}

/** A loop with fewer multiply-adds is not what the time goes to. */
const LEAST_FMA = 8;
/** A loop with a smaller share of the largest one's multiply-adds is the remainder of another. */
const LEAST_SHARE = 0.25;
/** Turns of an inner loop for one of the loop around it, of which the machine code says nothing. */
export const TURNS = 4;

interface Span {
  readonly from: number;
  readonly to: number;
}

const isInside = (inner: Span, outer: Span): boolean =>
  inner !== outer && inner.from >= outer.from && inner.to <= outer.to && inner.to - inner.from < outer.to - outer.from;

/** Every jump backwards, the longest for each start. */
function spansOf(code: readonly Instruction[]): Span[] {
  const ends = new Map<number, number>();
  code.forEach(({ target }, at) => {
    if (target !== undefined && target < at) ends.set(target, Math.max(at, ends.get(target) ?? 0));
  });
  return [...ends].map(([from, to]) => ({ from, to }));
}

/** The sum of instructions, scalar ones apart: they run beside the others. */
function mixOf(code: readonly Instruction[], isScalarFree: boolean): Loop {
  const mix = { all: 0, fma: 0, wide: 0, half: 0, single: 0, stores: 0, global: 0, special: 0, shuffles: 0, barriers: 0 };
  for (const { kind, fma = 0 } of code) {
    if (kind === 'none' || (kind === 'scalar' && isScalarFree)) continue;
    mix.all++;
    mix.fma += fma;
    if (kind !== 'vector' && kind !== 'scalar') mix[kind]++;
  }
  const units = sumOf(code, 'units');
  return units > 0 ? { ...mix, units } : mix;
}

const sumOf = (code: readonly Instruction[], key: 'fma' | 'units' | 'loads'): number =>
  code.reduce((sum, one) => sum + (one[key] ?? 0), 0);

/** Instructions of `span` in none of `others`. */
const outside = (code: readonly Instruction[], span: Span, others: readonly Span[]): Instruction[] =>
  code.slice(span.from, span.to + 1)
    .filter((_, i) => !others.some(({ from, to }) => span.from + i >= from && span.from + i <= to));

function total(mixes: readonly Loop[], share: number): Loop {
  const keys = Object.keys(Object.assign(mixOf([], true), ...mixes)) as (keyof Loop)[];
  return Object.fromEntries(keys.map((key) =>
    [key, share * mixes.reduce((sum, mix) => sum + (mix[key] ?? 0), 0)])) as unknown as Loop;
}

/**
 * The hot loops of a kernel: the innermost ones with multiply-adds. `around` is what the loops around them do besides in one
 * turn, for which `TURNS` turns of the inner ones are assumed. `loads` are the bytes of memory that a lane asks for in a turn of
 * the loop that asks for most, or in the whole kernel if it has no loop. Scalar code that runs beside the rest may be left out.
 */
export function loopsOf(
  code: readonly Instruction[], { isScalarFree = false } = {},
): Pick<Compiled, 'loops' | 'around' | 'loads'> {
  const inCode = (span: Span): Instruction[] => code.slice(span.from, span.to + 1);
  const all = spansOf(code);
  const fmaOf = (span: Span): number => sumOf(inCode(span), 'fma') + sumOf(inCode(span), 'units');
  const spans = all.filter((span) => fmaOf(span) >= LEAST_FMA);
  const innermost = spans.filter((span) => !spans.some((other) => isInside(other, span)));
  const most = Math.max(0, ...innermost.map(fmaOf));
  const hot = innermost.filter((span) => fmaOf(span) >= LEAST_SHARE * most);
  const parents = hot.flatMap((span) =>
    spans.filter((outer) => isInside(span, outer)).sort((a, b) => a.to - a.from - (b.to - b.from)).slice(0, 1));
  const around = [...new Set(parents)].map((outer) =>
    mixOf(outside(code, outer, spans.filter((other) => isInside(other, outer))), isScalarFree));
  const innermostOfAll = all.filter((span) => !all.some((other) => isInside(other, span)));
  const loads = Math.max(0, ...innermostOfAll.map((span) => sumOf(inCode(span), 'loads'))) || sumOf(code, 'loads');
  return { loops: hot.map((span) => mixOf(inCode(span), isScalarFree)), around: total(around, 1 / TURNS), loads };
}
