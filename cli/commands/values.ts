/** Parsers of option values for commander: each returns the value or states what is expected. */
import { InvalidArgumentError, Option } from 'commander';
import { defaultOptions, PRECISIONS } from '../../model/method/options.js';

/** A whole number from `least` to `most`. */
export const whole = (least: number, most = 1e9) => (text: string): number => {
  const value = Number(text);
  if (/^[+]?\d+$/.test(text) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
};

/** The seed of a random generator: 32 bits. */
export const seed = whole(0, 2 ** 32 - 1);

/** A finite number of at least 0, or above 0 when `positive`. */
export const real = ({ positive }: { positive: boolean }) => (text: string): number => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0 && !(positive && value === 0)) return value;
  throw new InvalidArgumentError(`Give a number ${positive ? 'above 0' : 'of 0 or more'}.`);
};

/** The numbers of a list with commas; NaN for an entry that is empty or not a number. */
export const numbersIn = (text: string): number[] => text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));

/** `0.5` or `0.485,0.456,0.406`, of red, green and blue. */
export const rgb = ({ positive }: { positive: boolean }) => (text: string): [number, number, number] => {
  const [red = NaN, green = red, blue = red, ...more] = numbersIn(text);
  const values: [number, number, number] = [red, green, blue];
  const isOneOrThree = more.length === 0 && text.split(',').length !== 2;
  if (isOneOrThree && values.every((value) => Number.isFinite(value) && !(positive && value <= 0))) return values;
  throw new InvalidArgumentError(`Give one number or three with commas (red,green,blue)${positive ? ', above 0' : ''}.`);
};

/** Whole numbers, in the order given. */
export const wholeList = (least: number, most: number) => (text: string): number[] => text.split(',').map(whole(least, most));

/** Some of `choices`, in the order given. */
export const choiceList = <T extends string>(choices: readonly T[]) => (text: string): T[] =>
  text.split(',').map((part) => {
    const found = choices.find((choice) => choice === part.trim());
    if (found === undefined) throw new InvalidArgumentError(`Give some of ${choices.join(', ')}, with commas.`);
    return found;
  });

/** Names or paths. */
export function nameList(text: string): string[] {
  const names = text.split(',').map((part) => part.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('Give names with commas and nothing empty between them.');
}

/** The value of an option that may be given several times. */
export const several = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

/** The option of commands that train through a ViT, or measure such a training. */
export const precisionOption = (): Option =>
  new Option('--precision <type>', 'storage of the weights and activations of the ViT: f16 halves the memory, on devices that '
    + 'support it, and keeps three significant digits').choices(PRECISIONS).default(defaultOptions.precision);
