/** The work of `splice-gpu attention`: shows where the CLS token looks, head by head. */
import type { Image } from '../../model/image.js';
import { resample } from '../../model/resample.js';
import { clsAttentionMaps } from '../../model/study/patches.js';
import { uploadVit } from '../../model/vit/vit.js';
import type { SheetRow } from '../photos/sheet.js';
import type { Parts } from '../run/parts.js';
import { makeSheet, modelFacts, readModels, readPictures, titleOf, type LayerOptions } from './study.js';
import { writeLine } from '../shared/progress.js';

export interface AttentionOptions extends LayerOptions {
  readonly images: readonly string[];
  readonly model: string;
}

/** From low to high: black, violet, orange, pale yellow. */
const RAMP = [[0.02, 0.02, 0.06], [0.35, 0.1, 0.45], [0.85, 0.3, 0.3], [0.98, 0.7, 0.3], [1, 0.98, 0.85]] as const;

/** `values` [rows * columns] as colours, the largest value brightest. */
export function heatMap(values: ArrayLike<number>, rows: number, columns: number): Image {
  const most = Array.from(values).reduce((largest, value) => Math.max(largest, value), 1e-12);
  const plane = rows * columns;
  const data = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    const at = (Math.max(0, values[i]!) / most) * (RAMP.length - 1);
    const low = Math.min(RAMP.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) data[c * plane + i] = RAMP[low]![c]! + (at - low) * (RAMP[low + 1]![c]! - RAMP[low]![c]!);
  }
  return { width: columns, height: rows, data };
}

/** Writes the sheet. Returns the exit code. */
export async function attention(options: AttentionOptions, parts: Parts): Promise<number> {
  const pictures = await readPictures(options.images);
  const { models: [model], layers } = await readModels([options.model], options, parts);
  const { vit } = model!;
  const { heads } = vit.config;
  await makeSheet(options, parts, async (engine) => {
    uploadVit(engine, vit);
    const sheetRows: SheetRow[] = [];
    for (const { name, image } of pictures) {
      writeLine(parts.stderr, `${vit.name} looks at ${name}`);
      const { maps, rows, columns } = await clsAttentionMaps(engine, vit, image, options.vitSize, layers);
      maps.forEach((each, i) => {
        const mean = each[0]!.map((_, k) => each.reduce((sum, head) => sum + head[k]!, 0) / each.length);
        const cells = [mean, ...each].map((values) => resample(heatMap(values, rows, columns), image.width, image.height));
        sheetRows.push({ label: `${pictures.length > 1 ? `${name}, ` : ''}layer ${layers[i]}`, cells: [image, ...cells] });
      });
    }
    const sheet = {
      title: `CLS attention of ${titleOf(model!)}`,
      note: 'Attention of the CLS token, each map relative to its own maximum: dark is none.',
      columns: ['picture', 'all heads', ...Array.from({ length: heads }, (_, h) => `head ${h}`)],
      rows: sheetRows,
      height: options.height,
    };
    return { sheet, facts: { model: modelFacts(model!), layers, heads } };
  });
  return 0;
}
