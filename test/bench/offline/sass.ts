/**
 * Machine code of NVIDIA GPUs since Volta, as far as loops need it: the kind of each instruction and where it jumps. Pure.
 *
 * An instruction is 16 bytes. Its lowest 9 bits are the operation; bits 9 to 11 the form of its operands.
 */
import type { Instruction } from './loops.js';

const FMA = new Set([0x023]);
/** Half precision in pairs: two multiply-adds. */
const FMA2 = new Set([0x031]);
/** Products of matrices of 16 x 16 by 16 x 8, of which a lane does the 32nd part; and loads of four registers for them. */
const MATRIX = 0x03c, MATRIX_UNITS = 64, MATRIX_LOAD = 0x03b;
const KINDS: ReadonlyMap<number, Instruction['kind']> = new Map([
  [0x186, 'global'], [0x108, 'special'], [0x189, 'shuffles'], [0x11d, 'barriers'],
  [0x188, 'stores'], [0x118, 'none'],
]);
const BRANCH = 0x147, SHARED_LOAD = 0x184, LOAD = 0x181;
/** Bits 73 to 75 of a load: the width. */
const WIDTHS: Readonly<Record<number, Instruction['kind']>> = { 5: 'half', 6: 'wide' };
const BYTES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 5: 8, 6: 16 };

/** Where a branch at instruction `at` leads: a signed number of words of 4 bytes from the next instruction, in two parts. */
function targetOf([low, next, third]: readonly number[], at: number): number {
  const high = (next! >>> 2) + (third! & 0x3ffff) * 2 ** 30;
  const signed = high >= 2 ** 47 ? high - 2 ** 48 : high;
  return at + 1 + (signed * 256 + ((low! >>> 16) & 0xff)) / 4;
}

/** The instructions of a kernel's section. */
export function sassOf(section: Uint8Array): Instruction[] {
  const view = new DataView(section.buffer, section.byteOffset, section.byteLength);
  return Array.from({ length: Math.floor(section.byteLength / 16) }, (_, at): Instruction => {
    const words = [0, 4, 8].map((i) => view.getUint32(16 * at + i, true));
    const operation = words[0]! & 0x1ff;
    if (FMA.has(operation)) return { kind: 'vector', fma: 1 };
    if (FMA2.has(operation)) return { kind: 'vector', fma: 2 };
    if (operation === MATRIX) return { kind: 'vector', units: MATRIX_UNITS };
    if (operation === MATRIX_LOAD) return { kind: 'wide' };
    if (operation === BRANCH) return { kind: 'scalar', target: targetOf(words, at) };
    const width = (words[2]! >>> 9) & 7;
    if (operation === SHARED_LOAD) return { kind: WIDTHS[width] ?? 'single' };
    if (operation === LOAD) return { kind: 'global', loads: BYTES[width] ?? 4 };
    return { kind: KINDS.get(operation) ?? 'scalar' };
  });
}

/** The sections of an ELF file of 64 bits by name. @throws Error when it is none */
export function sectionsOf(elf: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (view.getUint32(0) !== 0x7f454c46) throw new Error('sass: not an ELF file');
  const [table, size, count, names] = [Number(view.getBigUint64(40, true)), view.getUint16(58, true), view.getUint16(60, true),
    view.getUint16(62, true)];
  const place = (i: number): [number, number, number] => {
    const at = table + i * size;
    return [view.getUint32(at, true), Number(view.getBigUint64(at + 24, true)), Number(view.getBigUint64(at + 32, true))];
  };
  const [, text] = place(names);
  const nameAt = (at: number): string => Buffer.from(elf.subarray(at, elf.indexOf(0, at))).toString('latin1');
  return new Map(Array.from({ length: count }, (_, i) => {
    const [name, from, length] = place(i);
    return [nameAt(text + name), elf.subarray(from, from + length)];
  }));
}

/** What ptxas says of each kernel with -v. */
export function ptxasFigures(log: string): Map<string, { registers: number; spills: number; scratch: number; shared: number }> {
  const found = new Map<string, { registers: number; spills: number; scratch: number; shared: number }>();
  for (const text of log.split(/^.*Compiling entry function '/m).slice(1)) {
    const numberOf = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
    found.set(text.slice(0, text.indexOf("'")), {
      registers: numberOf(/Used (\d+) registers/),
      spills: numberOf(/(\d+) bytes spill stores/) + numberOf(/(\d+) bytes spill loads/),
      scratch: numberOf(/(\d+) bytes stack frame/),
      shared: numberOf(/(\d+) bytes smem/),
    });
  }
  return found;
}
