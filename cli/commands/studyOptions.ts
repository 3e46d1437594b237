/** Options of the commands that look into ViTs and results, each declared once. */
import { InvalidArgumentError, type Option } from 'commander';
import { DEFAULT_MODEL } from '../models/known.js';
import { option } from './options.js';
import { nameList, seed, whole, wholeList } from './values.js';

function pngPath(text: string): string {
  if (/\.png$/i.test(text)) return text;
  throw new InvalidArgumentError('Give a name that ends in .png: the sheet is a PNG.');
}

export const sheetOption = (): Option => option('--out <file.png>', 'sheet to write', pngPath).makeOptionMandatory();

export const heightOption = (height = 224): Option =>
  option('--height <pixels>', 'height of the pictures on the sheet', whole(16, 2048), height);

export const vitOption = (): Option => option('--model <name|file>', 'ViT, by name or weight file').default(DEFAULT_MODEL);

export const vitsOption = (): Option =>
  option('--model <list>', 'ViTs, by name or weight file, separated by commas', nameList).default([DEFAULT_MODEL], DEFAULT_MODEL);

export const layersOption = (): Option =>
  option('--layers <list>', 'layers, such as 2,5,11; the first is 0 (default: the last)', wholeList(0, 999));

export const inputSizeOption = (description = 'shorter side of the ViT input', least = 1, most = 2048): Option =>
  option('--vit-size <pixels>', description, whole(least, most), 224);

export const seedOption = (description: string): Option => option('--seed <number>', description, seed, 1);

export const objectOption = (what = 'one JSON object'): Option => option('--json', `print ${what} on stdout`);
