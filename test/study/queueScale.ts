/**
 * A simulation of many machines at one queue: how long a list takes, what is lost with workers that die, and what the store and
 * Redis have to bear.
 *
 *     node dist/test/study/queueScale.js [machines=1000] [jobs=10000] [steps=10000] [stepMs=5840] [saveEvery=250]
 *         [uploadEvery=0] [lease=120] [mtbfHours=24] [repairMinutes=10] [storeMBs=1000] [seed=1]
 *
 * Times between failures of a machine are exponential. A dead worker's job waits for its lease, and goes on from the last upload.
 * All uploads share the store.
 */
import { random } from '../helpers/random.js';

/** A step's time is that of test/bench/results/llvmpipe.json. */
export const defaults = {
  machines: 1000, jobs: 10_000, steps: 10_000, stepMs: 5840, saveEvery: 250, uploadEvery: 0, lease: 120, mtbfHours: 24,
  repairMinutes: 10, storeMBs: 1000, seed: 1,
};
export type Setting = typeof defaults;

/**
 * In MB. Measured: a checkpoint, of which a run has two, and the generator of a save, 4.16, with its pictures made 4.3. Assumed:
 * the photos of a pair.
 */
export const CHECKPOINT = 16.6, BESIDES = 4.3, PHOTOS = 0.6;
/**
 * Seconds from a job taken to its first step: 1.6 measured for the process with a small ViT, and an assumption for files from the
 * store, a larger ViT and compiling. Measured: commands a second to Redis of a worker that trains.
 */
export const START_S = 5, COMMANDS = 0.9;

export interface Scale {
  readonly hours: number;
  /** Steps that count, in the time of all machines until the last job is done. */
  readonly useful: number;
  /** Workers that died with a job. */
  readonly deaths: number;
  /** Steps made again, over those that count. */
  readonly repeated: number;
  /** Seconds between two uploads of a worker. */
  readonly interval: number;
  /** MB a second to and from the store, mean. */
  readonly traffic: number;
  /** Commands a second to Redis. */
  readonly commands: number;
}

/** The older checkpoint of a run is in the store already if every save is uploaded. */
const uploadSize = (interval: number, save: number): number => (interval > save ? 2 : 1) * CHECKPOINT + BESIDES;

/** Seconds between the uploads of a worker: those of its saves, less often if that is wanted or the store takes no more. */
export function uploadInterval({ machines, stepMs, saveEvery, uploadEvery, storeMBs }: Setting): number {
  const save = (saveEvery * stepMs) / 1000;
  const inSaves = (seconds: number): number => Math.max(1, Math.ceil(seconds / save - 1e-9)) * save;
  const wanted = inSaves(uploadEvery);
  const possible = (interval: number): number => (machines * uploadSize(interval, save)) / storeMBs;
  return possible(wanted) <= wanted ? wanted : inSaves(possible(Infinity));
}

/** Plays the list through, one try after the other. */
export function simulate(setting: Setting): Scale {
  const { machines, jobs, steps, stepMs, saveEvery, lease, mtbfHours, repairMinutes } = setting;
  const next = random(setting.seed);
  const lifetime = (): number => -3600 * mtbfHours * Math.log(1 - next());
  const interval = uploadInterval(setting);
  const whole = (steps * stepMs) / 1000;
  /** Work that is left, in seconds, and when a worker may take it. A job that is given back comes last. */
  const waiting = Array.from({ length: jobs }, () => ({ left: whole, from: 0 }));
  const free = heap(Array.from({ length: machines }, () => ({ at: 0, dies: lifetime() })));
  let [deaths, trained, uploads, end] = [0, 0, 0, 0];
  for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
    const { at, dies } = free.take();
    const begins = Math.max(at, job.from) + START_S;
    const done = begins + job.left;
    const worked = Math.max(0, Math.min(done, dies) - begins);
    trained += worked;
    uploads += Math.floor(worked / interval);
    if (done <= dies) {
      uploads++;
      end = Math.max(end, done);
      free.put({ at: done, dies });
      continue;
    }
    deaths++;
    // The lease was renewed within its half, and others look every half of it.
    waiting.push({ left: job.left - Math.floor(worked / interval) * interval, from: dies + lease * (0.5 + next()) });
    const back = Math.max(begins, dies) + 60 * repairMinutes;
    free.put({ at: back, dies: back + lifetime() });
  }
  const counted = jobs * whole;
  // What another try continues from, and the result.
  const fetched = (deaths + jobs) * (2 * CHECKPOINT + BESIDES + PHOTOS);
  const volume = uploads * uploadSize(interval, (saveEvery * stepMs) / 1000) + fetched;
  return {
    hours: end / 3600, useful: counted / (machines * end), deaths, repeated: (trained - counted) / counted, interval,
    traffic: volume / end, commands: machines * COMMANDS,
  };
}

interface Machine {
  readonly at: number;
  readonly dies: number;
}

/** Machines by the time at which they are free, the first one first. */
function heap(all: Machine[]) {
  const swap = (a: number, b: number): void => void ([all[a], all[b]] = [all[b]!, all[a]!]);
  return {
    put: (machine: Machine): void => {
      all.push(machine);
      for (let i = all.length - 1; i > 0 && all[i]!.at < all[(i - 1) >> 1]!.at; i = (i - 1) >> 1) swap(i, (i - 1) >> 1);
    },
    take: (): Machine => {
      const first = all[0]!;
      const last = all.pop()!;
      if (all.length > 0) all[0] = last;
      for (let i = 0; ; ) {
        const [left, right] = [2 * i + 1, 2 * i + 2];
        const child = right < all.length && all[right]!.at < all[left]!.at ? right : left;
        if (child >= all.length || all[i]!.at <= all[child]!.at) return first;
        swap(i, child);
        i = child;
      }
    },
  };
}

function main(words: readonly string[]): void {
  const given = words.map((word) => word.split('=') as [keyof Setting, string]);
  const wrong = given.find(([name, value]) => !(name in defaults) || !(Number(value) >= 0));
  if (wrong) throw new Error(`${wrong.join('=')}: known are ${Object.keys(defaults).join(', ')}, each with =NUMBER`);
  const setting = { ...defaults, ...Object.fromEntries(given.map(([name, value]) => [name, Number(value)])) };
  const { hours, useful, deaths, repeated, traffic, commands, interval } = simulate(setting);
  console.log(Object.entries(setting).map((entry) => entry.join('=')).join(' '));
  console.log(`${hours.toFixed(2)} h; ${(100 * useful).toFixed(1)} % of the machines' time is steps that count`);
  console.log(`${deaths} workers died with a job; ${(100 * repeated).toFixed(2)} % of the steps were made again`);
  const load = `${traffic.toFixed(0)} MB/s at the store, ${commands.toFixed(0)} commands/s at Redis`;
  console.log(`an upload every ${interval.toFixed(0)} s; ${load}`);
}

if (process.argv[1]?.endsWith('queueScale.js')) main(process.argv.slice(2));
