/**
 * Predicted times of launches on GPUs, from what compilers made of the kernels (test/bench/offline). Nothing here is measured: a
 * prediction is always called one. Pure.
 */
import { createHash } from 'node:crypto';
import { sizeOf, type Kernel, type Node, type Tensor } from '../../engine/index.js';

/** Instructions of one turn of a loop. */
export interface Loop {
  readonly all: number;
  /** Multiply-adds of a lane. */
  readonly fma: number;
  /** Multiply-adds of a lane on matrix units; absent: none. */
  readonly units?: number;
  /** Loads from workgroup memory: of 128, 64 and 32 bits a lane. */
  readonly wide: number;
  readonly half: number;
  readonly single: number;
  /** Stores to workgroup memory. */
  readonly stores: number;
  readonly global: number;
  /** Exponentials, roots, reciprocals. */
  readonly special: number;
  readonly shuffles: number;
  readonly barriers: number;
}

/** What a compiler made of a kernel. */
export interface Compiled {
  /** Registers of a thread. */
  readonly registers: number;
  /** Registers (AMD) or bytes (NVIDIA) that do not fit and go to memory. */
  readonly spills: number;
  /** Bytes of a thread's own memory. */
  readonly scratch: number;
  /** Bytes of workgroup memory. */
  readonly shared: number;
  /** Waves (warps) that fit on a scheduler (SIMD) at once. */
  readonly waves: number;
  readonly instructions: number;
  /** Bytes of memory that a lane asks for in a turn of a loop, or in all if there is no loop: they are on their way at once. */
  readonly loads: number;
  /** The hot loops: innermost ones with multiply-adds. */
  readonly loops: readonly Loop[];
  /** What the loops around them do besides, for one turn of the hot ones. */
  readonly around: Loop;
}

/** A GPU by its makers' figures. */
export interface Gpu {
  readonly name: string;
  /** Whose compiled kernels stand for its own. */
  readonly compiled: string;
  /** Adapters that are this GPU. */
  readonly pattern: RegExp;
  /** Multiprocessors (NVIDIA), pairs of compute units (AMD RDNA), compute units (AMD before). */
  readonly units: number;
  readonly ghz: number;
  /** Multiply-adds of a unit in a clock. */
  readonly lanes: number;
  /** Clocks of a scheduler for an instruction that is no multiply-add, where one of those takes 1. */
  readonly otherClocks: number;
  /** Lanes of a wave, as its compiler takes them. */
  readonly wave: number;
  /** Bytes from workgroup memory to a unit in a clock. */
  readonly sharedBytes: number;
  /** 10^9 bytes of memory a second. */
  readonly gbPerSecond: number;
  /** 10^9 bytes a second from the cache that all units share: an assumption, and only for kernels on matrix units. */
  readonly cacheGbPerSecond?: number;
  /** Operations of its matrix units with operands of f16 and sums of f32, in 10^12 a second, as instructions of a wave reach. */
  readonly unitTflops?: number;
}

const nvidia = { compiled: 'sm_90', lanes: 128, otherClocks: 1, wave: 32, sharedBytes: 128 };
/** Multiply-adds of whole waves of 64 take one clock since RDNA3, other instructions two. */
const rdna3 = { lanes: 256, otherClocks: 2, wave: 64, sharedBytes: 256 };
const rdna = { lanes: 128, otherClocks: 1, wave: 64, sharedBytes: 256 };
const gcn = { lanes: 64, otherClocks: 1, wave: 64, sharedBytes: 128 };

/**
 * NVIDIA's figure for an H100 SXM is 989 TFLOP/s, which only instructions of four warps at once reach. Those of one warp, which
 * Vulkan's are, were measured to reach 62.9 % of it (https://arxiv.org/abs/2402.13499).
 */
const H100_UNITS = 0.629 * 989;
/** NVIDIA's figure for an RTX 4090, whose only instructions for matrices are those of one warp: taken whole. */
const RTX_4090_UNITS = 165;

export const gpus: readonly Gpu[] = [
  { name: 'NVIDIA H100 SXM', pattern: /H100/, units: 132, ghz: 1.98, gbPerSecond: 3350, unitTflops: H100_UNITS,
    cacheGbPerSecond: 5500, ...nvidia },
  { name: 'NVIDIA RTX 4090', pattern: /RTX 4090/, units: 128, ghz: 2.52, gbPerSecond: 1008, unitTflops: RTX_4090_UNITS,
    cacheGbPerSecond: 5000, ...nvidia },
  { name: 'AMD RX 7900 XTX', compiled: 'navi31', pattern: /7900 XTX|navi31/i, units: 48, ghz: 2.5, gbPerSecond: 960, ...rdna3 },
  { name: 'AMD RX 6900 XT', compiled: 'navi21', pattern: /6900 XT|navi21/i, units: 40, ghz: 2.25, gbPerSecond: 512, ...rdna },
  { name: 'AMD RX 5700 XT', compiled: 'navi10', pattern: /5700 XT|navi10/i, units: 20, ghz: 1.905, gbPerSecond: 448, ...rdna },
  { name: 'AMD Instinct MI210', compiled: 'mi200', pattern: /MI210|mi200/i, units: 104, ghz: 1.7, gbPerSecond: 1638, ...gcn },
  { name: 'AMD RX Vega 64', compiled: 'vega10', pattern: /Vega 64|vega10/i, units: 64, ghz: 1.546, gbPerSecond: 484, ...gcn },
];

/** Schedulers of a unit, on all of them. */
const SCHEDULERS = 4;
/** Clocks from a load of workgroup memory, or of memory, to its value; and of a barrier. */
const SHARED_CLOCKS = 30, BARRIER_CLOCKS = 30;

/**
 * The two ends of a prediction. At best the pipes for arithmetic and for workgroup memory work at the same time, at worst the
 * less busy one waits half of its time. Memory gives a share of its rate, and the first byte takes `latencyNs`. A launch with the
 * barrier before it takes at least `floorMs`.
 */
const ENDS = {
  best: { waits: 0, memory: 0.9, latencyNs: 300, floorMs: 2e-3 },
  worst: { waits: 0.5, memory: 0.7, latencyNs: 500, floorMs: 4e-3 },
} as const;
type End = (typeof ENDS)[keyof typeof ENDS];

/** Operations a second, in 10^9: a multiply-add counts two. */
export const peakOf = ({ units, ghz, lanes }: Gpu): number => 2 * units * ghz * lanes;

/** What is predicted of a launch from the launch itself. */
export interface LaunchFacts {
  /** Of its source and constants: equal kernels have equal keys. */
  readonly key: string;
  readonly op: string;
  readonly part: string;
  readonly groups: number;
  /** Threads of a workgroup. */
  readonly threads: number;
  readonly flops: number;
  /** Bytes of its inputs and outputs, each counted once. */
  readonly bytes: number;
}

export const keyOf = ({ code, constants = {} }: Pick<Kernel, 'code' | 'constants'>): string =>
  createHash('sha256').update(JSON.stringify(constants)).update(code).digest('hex').slice(0, 10);

/** Threads of a workgroup, from the source and its overrides. */
export function threadsOf({ code, constants = {} }: Pick<Kernel, 'code' | 'constants'>): number {
  const sizes = /@workgroup_size\(([^)]*)\)/.exec(code)?.[1]?.split(',').map((size) => size.trim()).filter(Boolean) ?? [];
  return sizes.reduce((product, size) => product * (constants[size] ?? Number.parseInt(size, 10)), 1);
}

const bytesOf = ({ shape, dtype }: Tensor): number => sizeOf(shape) * (dtype === 'f16' ? 2 : 4);

export function launchFacts(node: Node, kernel: Kernel): LaunchFacts {
  const { inputs, outputs, op, part = 'rest' } = node;
  return {
    key: keyOf(kernel), op: op.name, part, threads: threadsOf(kernel),
    groups: kernel.workgroups.reduce((product, n) => product * n), flops: kernel.flops ?? 0,
    bytes: [...new Set([...inputs, ...outputs])].reduce((sum, t) => sum + bytesOf(t), 0),
  };
}

/** Clocks of a scheduler for a turn of a loop of one of `waves` waves. */
function clocksOf(loop: Loop, gpu: Gpu, waves: number, { waits: share }: End): number {
  const { wave, lanes, sharedBytes, otherClocks } = gpu;
  const arithmetic = loop.fma + otherClocks * Math.max(0, loop.all - loop.fma);
  const special = 8 * loop.special;
  const bytes = wave * (16 * loop.wide + 8 * loop.half + 4 * loop.single + 8 * loop.stores + 4 * loop.shuffles);
  // In clocks of a multiply-add, which several take where a wave has more lanes than a scheduler.
  const shared = (SCHEDULERS * bytes) / sharedBytes / ((wave * SCHEDULERS) / lanes);
  const onUnits = loop.units ? (loop.units * wave) / unitLanes(gpu) : 0;
  const [busiest, second] = [arithmetic, shared, onUnits].sort((a, b) => b - a) as [number, number, number];
  const steady = Math.max(busiest, special) + share * second;
  const waits = (loop.wide + loop.half + loop.single > 0 ? SHARED_CLOCKS : 0) + BARRIER_CLOCKS * loop.barriers;
  return Math.max(steady, (arithmetic + onUnits + waits) / Math.max(waves, 0.25));
}

/** Multiply-adds of a scheduler's matrix unit in a clock. */
const unitLanes = ({ unitTflops = 0, units, ghz }: Gpu): number => (1000 * unitTflops) / 2 / units / ghz / SCHEDULERS;

/**
 * Share of the peak without matrix units that the hot loops reach while `waves` waves are on a scheduler; with such units it may
 * be above 1. Undefined without loops.
 */
export function shareOf(
  { loops, around }: Compiled, gpu: Gpu, waves: number, end: keyof typeof ENDS = 'best',
): number | undefined {
  if (loops.length === 0) return undefined;
  const parts = [around, ...loops];
  const fma = parts.reduce((sum, part) => sum + part.fma + (part.units ?? 0), 0);
  return fma / parts.reduce((sum, part) => sum + clocksOf(part, gpu, waves, ENDS[end]), 0);
}

/** Milliseconds of a launch at the peak of arithmetic, or of memory, whichever takes longer. */
export const roofMs = ({ flops, bytes }: Pick<LaunchFacts, 'flops' | 'bytes'>, gpu: Gpu): number =>
  Math.max(flops / peakOf(gpu), bytes / gpu.gbPerSecond) / 1e6;

/**
 * Milliseconds to bring the operands of a launch on matrix units from the cache. Its loop loads what it multiplies, so the bytes
 * of a turn and its multiply-adds give those of the launch. Without such units arithmetic takes longer.
 */
function cacheMs({ loops, loads }: Compiled, flops: number, { cacheGbPerSecond }: Gpu): number {
  const products = loops.reduce((sum, { units = 0 }) => sum + units, 0);
  return cacheGbPerSecond && products > 0 ? (flops / 2 / products) * loads / cacheGbPerSecond / 1e6 : 0;
}

/** Milliseconds of a launch at one end of its prediction. */
function endMs(launch: LaunchFacts, compiled: Compiled, gpu: Gpu, end: keyof typeof ENDS): number {
  const { groups, threads, flops, bytes } = launch;
  const { memory, latencyNs, floorMs } = ENDS[end];
  const wavesOfGroup = Math.max(1, threads / gpu.wave);
  /** Waves on a scheduler while the launch runs. */
  const waves = Math.min(compiled.waves, (Math.ceil(groups / gpu.units) * wavesOfGroup) / SCHEDULERS);
  const share = shareOf(compiled, gpu, waves, end);
  const fullest = Math.ceil(groups / gpu.units) * gpu.units / groups;
  const issued = (groups * wavesOfGroup * compiled.instructions * gpu.wave) / (gpu.units * gpu.lanes * gpu.ghz * 1e6);
  const arithmetic = share === undefined ? issued : (flops / peakOf(gpu) / 1e6 / share) * fullest;
  /** Bytes on their way at once, by Little's law: rate = bytes on the way / latency. */
  const onTheWay = Math.min(waves * SCHEDULERS * gpu.units, groups * wavesOfGroup) * gpu.wave * Math.max(4, compiled.loads);
  const rate = Math.min(memory * gpu.gbPerSecond, onTheWay / latencyNs);
  return Math.max(arithmetic, bytes / rate / 1e6, cacheMs(compiled, flops, gpu), floorMs);
}

/** A predicted time: the mean of its two ends. Milliseconds. */
export interface Prediction {
  readonly ms: number;
  readonly best: number;
  readonly worst: number;
}

export function predict(launch: LaunchFacts, compiled: Compiled, gpu: Gpu): Prediction {
  const [best, worst] = [endMs(launch, compiled, gpu, 'best'), endMs(launch, compiled, gpu, 'worst')];
  return { ms: (best + worst) / 2, best, worst };
}
