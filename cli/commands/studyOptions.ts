/** Options that several commands about ViTs and results share, each declared once. */
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_MODEL } from '../models/load.js';
import { nameList, seed, whole, wholeList } from './values.js';

function pngPath(text: string): string {
  if (/\.png$/i.test(text)) return text;
  throw new InvalidArgumentError('Give a name that ends in .png: the sheet is a PNG.');
}

export const sheetOption = (): Option =>
  new Option('--out <file.png>', 'sheet to write').argParser(pngPath).makeOptionMandatory();

export const heightOption = (height = 224): Option =>
  new Option('--height <pixels>', 'height of the pictures on the sheet').argParser(whole(16, 2048)).default(height);

export const modelOption = (): Option => new Option('--model <name|file>', 'ViT, by name or weight file').default(DEFAULT_MODEL);

export const modelsOption = (): Option =>
  new Option('--model <list>', 'ViTs, by name or weight file, separated by commas').argParser(nameList).default([DEFAULT_MODEL]);

export const layersOption = (): Option =>
  new Option('--layers <list>', 'layers, such as 2,5,11; the first is 0 (default: the last)').argParser(wholeList(0, 999));

export const vitSizeOption = (description = 'shorter side of the ViT input', least = 1, most = 2048): Option =>
  new Option('--vit-size <pixels>', description).argParser(whole(least, most)).default(224);

export const seedOption = (description: string): Option => new Option('--seed <number>', description).argParser(seed).default(1);

export const jsonOption = (what = 'one JSON object'): Option => new Option('--json', `print ${what} on stdout`);
