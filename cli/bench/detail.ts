/** `bench detail`: detail at full size, on the drawn landscapes. */
import { median, noise, type Engine, type Roof } from '../../engine/index.js';
import { addDetail } from '../../model/detail/detail.js';
import type { Image } from '../../model/image.js';
import { resample, resampleShorterSide } from '../../model/resample.js';
import { scenePath } from '../demo/files.js';
import { readImage } from '../photos/photo.js';
import { digits, mib, percent } from '../shared/table.js';
import type { Measured } from './result.js';

/** Shorter side of the result that gets detail. */
const TRAINED = 224;

export interface DetailFigures {
  readonly width: number;
  readonly height: number;
  /** Operations of all launches, most of them comparisons of patches. */
  readonly gflop: number;
  /** The time that they take at the ceiling, over the measured time. */
  readonly ofRoof: number;
  /** Bytes that the engine holds on the device afterwards, and the most that the process has had. */
  readonly heldBytes: number;
  readonly peakBytes: number;
}

/** A landscape of 16 to 9. */
async function scene(kind: 'valley' | 'peaks', size: number): Promise<Image> {
  return resample(await readImage(scenePath(kind)), Math.round((16 * size) / 9), size);
}

/** Pictures with a shorter side of `size`; times are medians of the repeats after a first one, which compiles. */
export async function measureDetail(
  { size, repeats }: { readonly size: number; readonly repeats: number }, engine: Engine, roof: Roof,
): Promise<DetailFigures & { readonly rows: readonly Measured[] }> {
  const [structure, appearance] = [await scene('valley', size), await scene('peaks', size)];
  const result = resampleShorterSide(structure, Math.min(TRAINED, Math.floor(size / 2)));
  let flops = 0;
  const counting = {
    graph: () => engine.graph(),
    compile: async (outputs: Parameters<Engine['compile']>[0]) => {
      const program = await engine.compile(outputs);
      for (const { kernel } of program.launches) flops += kernel.flops ?? 0;
      return program;
    },
  };
  const all: number[] = [];
  const structureAlone: number[] = [];
  for (let i = 0; i <= repeats; i++) {
    for (const [times, options] of [[all, {}], [structureAlone, { texture: 0 }]] as const) {
      if (times === all) flops = 0;
      const start = performance.now();
      await addDetail(times === all ? counting : engine, { structure, result, appearance }, options);
      if (i > 0) times.push(performance.now() - start);
    }
  }
  const row = (name: string, times: readonly number[]): Measured => ({ name, ms: median(times), noise: noise(times) });
  return {
    width: structure.width, height: structure.height,
    gflop: flops / 1e9, ofRoof: flops / roof.gflops / 1e6 / median(all),
    heldBytes: engine.buffers.heldBytes(), peakBytes: 1024 * process.resourceUsage().maxRSS,
    rows: [row('detail', all), row('detail of the structure alone', structureAlone)],
  };
}

export function detailReport(f: DetailFigures & { readonly rows: readonly Measured[] }): string {
  return [
    `${f.width}x${f.height} pixels from a result of ${TRAINED}`,
    ...f.rows.map(({ name, ms, noise: share }) => `${name}: ${digits(ms / 1e3)} s (noise ${percent(share)})`),
    `${digits(f.gflop)} GFLOP, ${percent(f.ofRoof)} of the ceiling`,
    `held on the device ${mib(f.heldBytes)}, most memory of the process ${mib(f.peakBytes)}`,
  ].join('\n');
}
