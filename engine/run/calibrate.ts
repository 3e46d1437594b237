/** Calibration: the kernels of a device are checked against plain loops and timed in turn; the fastest right ones are kept. */
import { getOrInsert, labelOf, type Kernel, type LeafAttrs, type Node } from '../graph/index.js';
import { single } from '../schedule/single.js';
import { bytesOf, PLAIN, strikeName, USUAL, type Calibration } from './choices.js';
import { randomData, wrongness } from './compare.js';
import type { Engine } from './engine.js';
import { DeviceLostError, KernelError, OutOfMemoryError } from './errors.js';
import { median, timeRuns } from './profile.js';
import { Program } from './program.js';

/** Keeps what was found out about one device with one driver, for one version of the kernels. */
export interface CalibrationStore {
  /** What was written last, undefined when there is nothing. */
  readonly read: () => Promise<Calibration | undefined>;
  /** Called before each first run of a kernel too, with that kernel struck out: the process may not survive it. */
  readonly write: (calibration: Calibration) => Promise<void>;
}

export interface CalibrateOptions {
  readonly store?: CalibrationStore;
  /** Time after which no other kernel is tried. Kinds of launches that are left keep the usual kernel until the next time. */
  readonly seconds?: number;
  /** Milliseconds after which a launch is endless, and the device lost; a compilation has twice the time. */
  readonly bound?: number;
  /** Called after each kind of launch. */
  readonly onRow?: (row: CalibrationRow) => void;
}

/** A kernel of a kind of launch: milliseconds if it was timed to the end, or why it is struck out. */
export interface KernelTrial {
  readonly name: string;
  readonly ms?: number;
  readonly struck?: string;
}

/** A kind of launch: launches of one pipeline and about the same work. */
export interface CalibrationRow {
  readonly kind: string;
  readonly op: string;
  /** Launches of this kind. */
  readonly count: number;
  readonly chosen: string;
  readonly kernels: readonly KernelTrial[];
}

export interface CalibrationReport {
  /** Those measured now; what the store had is not measured again. */
  readonly rows: readonly CalibrationRow[];
  /** Kinds that there was no time for. */
  readonly left: number;
  readonly seconds: number;
}

/** Operations that take a device about as long as moving a byte does: enough to rank launches. */
const FLOPS_PER_BYTE = 20;
/** Kinds below this share of all work are not worth a choice. */
const HEAVY = 0.01;
/** The choice must be faster than the usual kernel by this factor, or it may be noise. */
const MARGIN = 0.95;
/** A kernel that takes so many times as long as the fastest in its first runs is not timed further. */
const HOPELESS = 2;
const LEAST_MS = 4;
const ROUNDS = 5;
const SECONDS = 10;
const GPU_BOUND = 2500;
const SOFTWARE_BOUND = 60_000;
/** Why a kernel is struck out while it runs for the first time, and after if the process does not survive it. */
export const UNFINISHED = 'did not come back from its first run';

interface Kind {
  readonly kind: string;
  readonly node: Node;
  count: number;
  cost: number;
}

const textOf = ({ code, constants, workgroups }: Kernel): string => JSON.stringify([code, constants, workgroups]);

/** Whether a node has another kernel than the usual one. One that cannot even be made counts: it will be struck out. */
function hasChoice({ launcher }: Engine, node: Node): boolean {
  const usual = textOf(launcher.named(node, USUAL));
  return launcher.namesOf(node).some((name) => {
    try {
      return name !== PLAIN && textOf(launcher.named(node, name)) !== usual;
    } catch {
      return true;
    }
  });
}

/** The kinds of launches that most of the work is in and that have a choice, those with most first. */
function heavyKinds(engine: Engine, nodes: readonly Node[]): Kind[] {
  const { launcher } = engine;
  const kinds = new Map<string, Kind>();
  for (const node of nodes) {
    const kind = launcher.kindOf(node);
    const found = getOrInsert(kinds, kind, () => ({ kind, node, count: 0, cost: 0 }));
    found.count++;
    found.cost += (launcher.named(node, USUAL).flops ?? 0) / FLOPS_PER_BYTE + bytesOf(node);
  }
  const all = [...kinds.values()].sort((a, b) => b.cost - a.cost);
  const total = all.reduce((sum, { cost }) => sum + cost, 0);
  return all.filter(({ cost, node }) => cost >= HEAVY * total && hasChoice(engine, node));
}

/** What `work` gives. @throws `late()` when that takes longer than `ms` */
async function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  let timer: unknown;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  work.catch(() => undefined); // if it fails too late
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer as number));
}

const inSeconds = (ms: number): string => `${Number((ms / 1000).toPrecision(2))} s`;

interface Trials extends Required<Pick<CalibrateOptions, 'bound'>> {
  readonly engine: Engine;
  readonly store: CalibrationStore | undefined;
  readonly isLate: () => boolean;
}

async function strike({ engine: { launcher }, store }: Trials, node: Node, name: string, why: string): Promise<void> {
  const { chosen, struck } = launcher.calibration;
  launcher.calibration = { chosen, struck: { ...struck, [strikeName(node, name)]: why } };
  await store?.write(launcher.calibration);
}

/**
 * What `work` with a kernel gives; undefined when it fails, which strikes the kernel out.
 * @throws DeviceLostError when the device does not survive it
 */
async function attempt<T>(trials: Trials, node: Node, name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof OutOfMemoryError) throw error;
    const why = (error as Error).message.split('\n')[0]!.slice(0, 300);
    await strike(trials, node, name, why);
    if (error instanceof DeviceLostError) throw new DeviceLostError(`${strikeName(node, name)} is struck out: ${why}`);
    return undefined;
  }
}

/** A launch alone in a program, whose kernel changes. */
async function createBench({ engine, bound }: Trials, node: Node, first: Kernel) {
  const compiled = (kernel: Kernel): Promise<unknown> => within(2 * bound, engine.launcher.launchesOf([node], [kernel]), () =>
    new KernelError(`${labelOf(node)} does not compile within ${inSeconds(2 * bound)}`));
  await compiled(first);
  const program = await engine.compile(single(node), { kernelOf: () => first });
  const inPlace = node.op.inPlace ?? 0;
  const names = Object.keys(program.base.outputs);
  const writeInputs = (): void => program.schedule.leaves.forEach(({ attrs }, i) => {
    const { name, shape } = attrs as LeafAttrs;
    program.write(name, randomData(shape, i));
  });
  const ends = <T>(work: Promise<T>): Promise<T> =>
    within(bound, work, () => new DeviceLostError(`its launch does not end within ${inSeconds(bound)}`));
  writeInputs();
  return {
    program,
    use: async (kernel: Kernel): Promise<void> => {
      await compiled(kernel);
      await program.replace([kernel]);
    },
    /** The outputs of one run, NaN where nothing is written. */
    outputs: async (): Promise<Float32Array[]> => {
      if (inPlace > 0) writeInputs();
      for (const name of names.slice(inPlace)) {
        const { buffer, offset, size } = program.buffer(name);
        engine.device.queue.writeBuffer(buffer, offset, new Uint8Array(Math.ceil(size / 4) * 4).fill(255));
      }
      program.run();
      await ends(engine.sync());
      return Promise.all(names.map((name) => program.read(name)));
    },
    time: (count: number): Promise<number> => ends(timeRuns(program, count)),
  };
}

type Bench = Awaited<ReturnType<typeof createBench>>;

/** A kernel with right numbers. */
interface Racer {
  readonly name: string;
  readonly kernel: Kernel;
  readonly times: number[];
}

/**
 * Compiles and checks all kernels of a node, plain loops first, then the usual kernel. The first that runs is what the others are
 * compared with. Undefined when time is up.
 */
async function check(trials: Trials, node: Node) {
  const { engine: { launcher }, store, isLate } = trials;
  const racers: Racer[] = [];
  const texts = new Set<string>();
  let bench: Bench | undefined;
  let expected: Float32Array[] | undefined;
  const examine = async (name: string): Promise<void> => {
    const kernel = launcher.named(node, name);
    const text = textOf(kernel);
    if (texts.has(text) && name !== USUAL) return;
    const { chosen, struck } = launcher.calibration;
    await store?.write({ chosen, struck: { ...struck, [strikeName(node, name)]: UNFINISHED } });
    if (bench) await bench.use(kernel);
    else bench = await createBench(trials, node, kernel);
    const outputs = await bench.outputs();
    const problem = expected && wrongness(node, outputs, expected);
    if (problem) throw new KernelError(`wrong numbers: ${problem}`);
    expected ??= outputs;
    texts.add(text);
    racers.push({ name, kernel, times: [] });
  };
  for (const name of launcher.namesOf(node)) {
    if (isLate()) return undefined;
    if (Object.hasOwn(launcher.calibration.struck, strikeName(node, name))) continue;
    await attempt(trials, node, name, () => examine(name));
  }
  return bench && { bench, racers };
}

/** Times kernels in turn, so that a disturbance affects all of them. */
async function race(trials: Trials, node: Node, bench: Bench, racers: readonly Racer[]): Promise<void> {
  const time = async ({ name, kernel }: Racer, count: number): Promise<number> => {
    const ms = await attempt(trials, node, name, async () => {
      await bench.use(kernel);
      return bench.time(count);
    });
    return ms ?? Infinity;
  };
  const firsts = new Map<Racer, number>();
  for (const racer of racers) firsts.set(racer, Math.min(await time(racer, 1), await time(racer, 1)));
  const best = Math.min(...firsts.values());
  const hopeful = racers.filter((racer) => firsts.get(racer)! <= HOPELESS * best);
  if (racers.length < 2) return;
  const count = Math.min(256, Math.ceil(LEAST_MS / Math.max(best, 1e-3)));
  for (let i = 0; i < ROUNDS; i++) for (const racer of hopeful) racer.times.push(await time(racer, count));
}

type Timed = Pick<Racer, 'name' | 'times'>;

/** The fastest, unless the usual kernel is nearly as fast. */
export function fastest(racers: readonly Timed[]): string {
  const ms = ({ times }: Timed): number => (times.length > 0 ? median(times) : Infinity);
  const [first] = [...racers].sort((a, b) => ms(a) - ms(b));
  const usual = racers.find(({ name }) => name === USUAL);
  return !first || (usual && ms(first) >= MARGIN * ms(usual)) ? USUAL : first.name;
}

/** Chooses the kernel of a kind; undefined when time was up. @throws DeviceLostError as `attempt` */
async function chooseFor(trials: Trials, { kind, node, count }: Kind): Promise<CalibrationRow | undefined> {
  const { engine: { launcher } } = trials;
  const checked = await check(trials, node);
  if (!checked) return undefined;
  const { bench, racers } = checked;
  // Plain loops are no candidate, unless no other kernel is right.
  const real = racers.filter(({ name }) => name !== PLAIN);
  if (real.length > 0) await race(trials, node, bench, real);
  bench.program.destroy();
  const { struck } = launcher.calibration;
  const isStruck = (name: string): boolean => Object.hasOwn(struck, strikeName(node, name));
  const chosen = real.length > 0 ? fastest(real.filter(({ name }) => !isStruck(name))) : PLAIN;
  const kernels = launcher.namesOf(node).flatMap((name): KernelTrial[] => {
    if (isStruck(name)) return [{ name, struck: struck[strikeName(node, name)]! }];
    const times = racers.find((racer) => racer.name === name)?.times;
    return times ? [{ name, ...(times.length > 0 && { ms: median(times) }) }] : [];
  });
  return { kind, op: node.op.name, count, chosen, kernels };
}

/** The number of kinds of launches that `calibrate` would measure. */
export const unmeasured = (engine: Engine, nodes: readonly Node[], { chosen }: Calibration): number =>
  heavyKinds(engine, nodes).filter(({ kind }) => !Object.hasOwn(chosen, kind)).length;

const merged = (a: Calibration, b: Calibration | undefined): Calibration =>
  ({ chosen: { ...b?.chosen, ...a.chosen }, struck: { ...b?.struck, ...a.struck } });

/**
 * Chooses kernels for the heavy launches of a program, or of nodes that are not compiled yet, and gives them to all programs that
 * the engine compiles from now on, and to this one. The kernels run on random numbers. One that does not compile, gives wrong
 * numbers or does not end is struck out for good.
 * @throws DeviceLostError when a kernel does not end or loses the device. It is struck out in the store: calibrate again on
 * another device; after a kernel that does not end, in another process
 */
export async function calibrate(
  engine: Engine, of: Program | readonly Node[], { store, seconds = SECONDS, bound, onRow }: CalibrateOptions = {},
): Promise<CalibrationReport> {
  const { launcher, tuning } = engine;
  const began = performance.now();
  const isLate = (): boolean => performance.now() - began > 1000 * seconds;
  const trials: Trials = { engine, store, bound: bound ?? (tuning.software ? SOFTWARE_BOUND : GPU_BOUND), isLate };
  launcher.calibration = merged(launcher.calibration, await store?.read());
  const rows: CalibrationRow[] = [];
  let left = 0;
  for (const kind of heavyKinds(engine, of instanceof Program ? of.schedule.launches : of)) {
    if (Object.hasOwn(launcher.calibration.chosen, kind.kind)) continue;
    const row = isLate() ? undefined : await chooseFor(trials, kind);
    if (row) {
      const { chosen, struck } = launcher.calibration;
      launcher.calibration = { chosen: { ...chosen, [row.kind]: row.chosen }, struck };
      rows.push(row);
      onRow?.(row);
    } else left++;
    await store?.write(launcher.calibration);
  }
  if (of instanceof Program) {
    const kernels = of.schedule.launches.map((node) => launcher.kernelOf(node));
    if (kernels.some(({ code }, i) => code !== of.launches[i]!.kernel.code)) await of.replace(kernels);
  }
  return { rows, left, seconds: (performance.now() - began) / 1000 };
}
