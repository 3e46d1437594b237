/** The kernels that a launch can have on a device, by name, and which of them it gets. */
import { byteSize } from '../schedule/memory.js';
import { getOrInsert, type Kernel, type Node } from '../graph/index.js';

/** What calibration found out about a device: see engine/run/calibrate.ts. It is plain JSON. */
export interface Calibration {
  /** The kernel of each kind of launch. */
  readonly chosen: Readonly<Record<string, string>>;
  /** Kernels that must not run again, as `op: kernel`, and why. */
  readonly struck: Readonly<Record<string, string>>;
}

export const uncalibrated: Calibration = { chosen: {}, struck: {} };

/** The kernel without calibration. */
export const USUAL = 'usual';
/** Plain loops: what others are compared with, and the replacement of a usual kernel that is struck out. */
export const PLAIN = 'plain';

/** The name under which a kernel of an op is struck out. */
export const strikeName = (node: Node, kernel: string): string => `${node.op.name}: ${kernel}`;

/** Two sums of a text, which tell texts apart. */
function fingerprint(text: string): string {
  let [a, b] = [0x811c9dc5, 0x1b873593];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b) ^ (b >>> 15);
  }
  return (a >>> 0).toString(36) + (b >>> 0).toString(36);
}

const fingerprints = new Map<string, string>();

/** Bytes that a launch reads and writes. */
export const bytesOf = ({ inputs, outputs }: Node): number =>
  [...new Set([...inputs, ...outputs])].reduce((sum, t) => sum + byteSize(t), 0);

/**
 * Launches of one kind share a choice: those of one pipeline, and of about the same work, in powers of four. `usual` is the
 * usual kernel of the node.
 */
export function kindOf(node: Node, { code, constants = {}, flops }: Kernel): string {
  const text = getOrInsert(fingerprints, code, () => fingerprint(code)) + fingerprint(JSON.stringify(constants));
  return `${node.op.name} ${text} ${Math.round(Math.log2(Math.max(1, flops || bytesOf(node))) / 2)}`;
}

/** The name of the kernel that a node gets. */
export function choiceFor(node: Node, kind: string, { chosen, struck }: Calibration): string {
  const names = [chosen[kind] ?? USUAL, USUAL, PLAIN];
  return names.find((name) => !Object.hasOwn(struck, strikeName(node, name))) ?? USUAL;
}
