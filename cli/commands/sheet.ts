/** `splice-gpu sheet`: options only. */
import { Command } from 'commander';
import type { SheetCommandOptions } from '../study/sheet.js';
import { heightOption, jsonOption, sheetOption } from './options.js';
import { nameList } from './values.js';

const EXAMPLE = `
Examples:
  $ splice-gpu sheet cow.jpg out/cow/result.png highland.jpg --columns structure,result,appearance --out cow.png
  $ splice-gpu sheet a.jpg out/a/result.png b.jpg out/b/result.png --rows first,second --columns structure,result --out two.png`;

export const sheetCommand = (run: (options: SheetCommandOptions) => Promise<void>): Command =>
  new Command('sheet')
    .description('put pictures on one sheet, with headings')
    .argument('<image...>', 'pictures, row by row')
    .addOption(sheetOption())
    .option('--title <text>', 'title of the sheet')
    .option('--note <text>', 'smaller text below the title')
    .option('--columns <list>', 'headings of the columns, separated by commas', nameList)
    .option('--rows <list>', 'labels of the rows, separated by commas (default: a single row)', nameList)
    .addOption(heightOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((images: string[], options: Omit<SheetCommandOptions, 'images'>) => run({ ...options, images }));
