/** `splice-gpu pca`: options only. */
import { Command, Option } from 'commander';
import { FACETS, type Facet } from '../../model/vit/facets.js';
import { choiceList, nameList, whole, wholeList } from './values.js';
import type { PcaCommandOptions } from '../study/pca.js';
import { DEFAULT_MODEL } from '../models/load.js';

interface Parsed extends Omit<PcaCommandOptions, 'images' | 'models' | 'joint' | 'foreground' | 'json'> {
  readonly model: string[];
  readonly joint?: boolean;
  readonly foreground?: boolean;
  readonly json?: boolean;
}

const EXAMPLE = `
Patches that the ViT holds for alike get like colours. Layers count from 0.

Example:
  $ splice-gpu pca cow.jpg --model vit_tiny.safetensors --facets keys,tokens --layers 2,5,8,11 --out pca.png`;

export const pcaCommand = (run: (options: PcaCommandOptions) => Promise<void>): Command =>
  new Command('pca')
    .description('show what layers of a ViT hold for alike, as colours')
    .argument('<image...>', 'pictures to look at')
    .requiredOption('--out <file.png>', 'the sheet to write')
    .option('--model <list>', 'ViTs by name or weight file, with commas', nameList, [DEFAULT_MODEL])
    .option('--facets <list>', `of ${FACETS.join(', ')}`, choiceList<Facet>(FACETS), ['keys'] as Facet[])
    .option('--layers <list>', 'such as 2,5,11 (default: the last)', wholeList(0, 999))
    .addOption(new Option('--of <what>', "components of each patch's similarity to all others, or of the facet itself").choices(['self-similarity', 'facet']).default('self-similarity'))
    .option('--joint', 'one basis for all pictures: like parts of different pictures get like colours')
    .option('--foreground', 'leave out the background, as the first component tells it')
    .option('--vit-size <pixels>', "shorter side of the ViT's input; larger shows finer patches", whole(1, 2048), 224)
    .option('--height <pixels>', "height of the sheet's pictures", whole(16, 2048), 224)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((images: string[], { model: models, joint = false, foreground = false, json = false, ...options }: Parsed) =>
      run({ ...options, images, models, joint, foreground, json }));
