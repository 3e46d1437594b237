/** The option of commands that train through a ViT, or measure such a training. */
import { Option } from 'commander';
import { defaultOptions, PRECISIONS } from '../../model/method/options.js';

export const precisionOption = (): Option =>
  new Option('--precision <type>', "how the ViT's weights and activations are stored: f16 takes half the memory, on devices that have it, and rounds to three digits").choices(PRECISIONS).default(defaultOptions.precision);
