/** What RADV prints of the kernels it compiles (RADV_DEBUG=shaderstats,asm): figures and machine code. Pure. */
import type { Instruction } from './loops.js';

const FMA = /^v_(fma|fmac|fmaak|fmamk|mad|mac|madak|madmk)_(f32|mix\w*|legacy_f32)/;
/** Products of two matrices of 16 x 16, of which one of 32 lanes does this part. */
const WMMA = /^v_wmma_f32_16x16x16_f16/, WMMA_UNITS = 128;
const kinds: readonly (readonly [RegExp, Instruction['kind']])[] = [
  [/^ds_(load|read)\S*_(b128|b96)|^ds_(load_2addr|read2)(st64)?_b64/, 'wide'],
  [/^ds_(load|read)\S*_b64|^ds_(load_2addr|read2)(st64)?_b32/, 'half'],
  [/^ds_(bpermute|permute|swizzle)/, 'shuffles'],
  [/^ds_(load|read)/, 'single'],
  [/^ds_(store|write)/, 'stores'],
  [/^(buffer|global|flat)_/, 'global'],
  [/^s_barrier/, 'barriers'],
  [/^s_(waitcnt|wait_|delay|nop|clause|sched|code_end)/, 'none'],
  [/^s_/, 'scalar'],
  [/^v_(exp|log|rcp|sqrt|rsq|sin|cos)_/, 'special'],
  [/^v_/, 'vector'],
];

/** Bytes of a load from memory: `b64` or `dwordx2`, `u16` and such. */
function loadedBytes(text: string): number {
  const [, bits, words] = /^(?:buffer|global|flat)_load_(?:[a-z]*?_?[bui](\d+)|dword(?:x(\d))?|\w+)/.exec(text) ?? [];
  if (bits) return Number(bits) / 8;
  return /_load_dword/.test(text) ? 4 * Number(words ?? 1) : /_load_/.test(text) && /^(buffer|global|flat)/.test(text) ? 2 : 0;
}

/** An instruction by its text; a dual one has two, joined by `::`. */
function instruction(text: string): Omit<Instruction, 'target'> {
  const fma = text.split('::').filter((part) => FMA.test(part.trim().replace(/^v_dual_/, 'v_'))).length;
  const packed = /^v_(pk_fma_f32|pk_fma_f16|dot2)/.test(text) ? 2 : fma;
  const loads = loadedBytes(text);
  const units = WMMA.test(text) ? WMMA_UNITS : 0;
  const kind = kinds.find(([pattern]) => pattern.test(text))?.[1] ?? 'scalar';
  return { kind, ...(packed ? { fma: packed } : {}), ...(units ? { units } : {}), ...(loads ? { loads } : {}) };
}

/** The instructions of a disassembly. */
export function disassembled(text: string): Instruction[] {
  const starts = new Map<string, number>();
  const found: (Omit<Instruction, 'target'> & { to: string | undefined })[] = [];
  for (const line of text.split('\n')) {
    const label = /^(BB\d+):/.exec(line)?.[1];
    if (label) starts.set(label, found.length);
    const code = /^\t([a-z]\w+.*?)\s*(?:;.*)?$/.exec(line)?.[1];
    if (!code) continue;
    found.push({ ...instruction(code), to: /^s_c?branch\S*\s+(BB\d+)/.exec(code)?.[1] });
  }
  return found.map(({ to, ...rest }) => {
    const target = to === undefined ? undefined : starts.get(to);
    return target === undefined ? rest : { ...rest, target };
  });
}

/** A kernel's figures: registers and spills of vectors, bytes, waves of a SIMD. */
export function statistics(text: string) {
  const value = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
  return {
    registers: value('VGPRs'),
    spills: value('Spilled VGPRs') + value('Spilled SGPRs'),
    scratch: value('Scratch size'),
    shared: value('LDS size'),
    waves: value('Subgroups per SIMD'),
    instructions: value('Instructions'),
  };
}
