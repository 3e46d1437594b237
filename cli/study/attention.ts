/** The work of `splice-gpu attention`: where the CLS token looks, head by head. */
import type { Parts } from '../run/parts.js';
import type { Image } from '../../model/image.js';
import { resample } from '../../model/resample.js';
import { clsAttentionMaps } from '../../model/study/patches.js';
import { uploadVit } from '../../model/vit/vit.js';
import type { SheetRow } from '../photos/sheet.js';
import { announceSheet, checkSheetPath, layersOr, modelLabel, readModels, readPictures, saveSheet } from './study.js';

export interface AttentionOptions {
  readonly images: readonly string[];
  readonly model: string;
  /** 0 is the first; absent: the last. */
  readonly layers?: readonly number[];
  readonly vitSize: number;
  /** Height of the sheet's pictures in pixels. */
  readonly height: number;
  readonly out: string;
  readonly json: boolean;
}

/** From little to much: black, violet, orange, pale yellow. */
const RAMP = [[0.02, 0.02, 0.06], [0.35, 0.1, 0.45], [0.85, 0.3, 0.3], [0.98, 0.7, 0.3], [1, 0.98, 0.85]] as const;

/** `values` [rows * columns] as colours, the largest brightest. */
export function heatMap(values: ArrayLike<number>, rows: number, columns: number): Image {
  const most = Math.max(...Array.from(values), 1e-12);
  const plane = rows * columns;
  const data = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    const at = (Math.max(0, values[i]!) / most) * (RAMP.length - 1);
    const low = Math.min(RAMP.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) data[c * plane + i] = RAMP[low]![c]! + (at - low) * (RAMP[low + 1]![c]! - RAMP[low]![c]!);
  }
  return { width: columns, height: rows, data };
}

/** Writes the sheet. Answers with the exit code. */
export async function attention(options: AttentionOptions, parts: Parts): Promise<number> {
  const { openEngine, stdout, stderr } = parts;
  checkSheetPath(options.out);
  const pictures = await readPictures(options.images);
  const models = await readModels([options.model], options.vitSize, options.layers ?? [], parts);
  const [model, layers] = [models[0]!, layersOr(options.layers, models)];
  const { engine, close } = await openEngine();
  try {
    uploadVit(engine, model.vit);
    const sheetRows: SheetRow[] = [];
    for (const { name, image } of pictures) {
      stderr.write(`${model.vit.name} looks at ${name}\n`);
      const { maps, rows, columns } = await clsAttentionMaps(engine, model.vit, image, options.vitSize, layers);
      maps.forEach((heads, i) => {
        const mean = heads[0]!.map((_, k) => heads.reduce((sum, head) => sum + head[k]!, 0) / heads.length);
        const cells = [mean, ...heads].map((values) => resample(heatMap(values, rows, columns), image.width, image.height));
        sheetRows.push({ label: [pictures.length > 1 ? name : '', `layer ${layers[i]}`].filter(Boolean).join(' '), cells: [image, ...cells] });
      });
    }
    const { heads } = model.vit.config;
    await saveSheet(options.out, {
      title: `CLS attention of ${modelLabel(model)}`,
      note: 'Where the CLS token looks: dark is nowhere, each map by its own maximum.',
      columns: ['picture', 'all heads', ...Array.from({ length: heads }, (_, h) => `head ${h}`)],
      rows: sheetRows,
      height: options.height,
    });
    announceSheet(options.out, options.json, { model: { name: model.vit.name, sha256: model.sha256 }, layers, heads }, stdout);
  } finally {
    close();
  }
  return 0;
}
