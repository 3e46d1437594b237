/** Parsers of option values for commander: each returns the value or states what is expected. */
import { InvalidArgumentError } from 'commander';
import { MOST_UPSCALE } from '../transfer/output.js';

/** A whole number from `least` to `most`. */
export const whole = (least: number, most = 1e9) => (text: string): number => {
  const value = Number(text);
  if (/^[+]?\d+$/.test(text) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
};

/** The seed of a random generator: 32 bits. */
export const seed = whole(0, 2 ** 32 - 1);

export const port = whole(1, 65_535);

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Seconds of a text such as 90s, 10m or 1.5h. */
export function duration(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? [];
  const seconds = Number(number) * (UNITS[unit] ?? 0);
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError('Give a time such as 90s, 10m or 2h.');
}

/** A finite number for which `isRight`. */
const real = (isRight: (value: number) => boolean, range: string) => (text: string): number => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && isRight(value)) return value;
  throw new InvalidArgumentError(`Give a number ${range}.`);
};
export const positive = real((value) => value > 0, 'above 0');
export const notNegative = real((value) => value >= 0, 'of 0 or more');
/** Not the whole. */
export const share = real((value) => value >= 0 && value < 1, 'from 0 to below 1');

/** The whole included. */
export const fraction = real((value) => value >= 0 && value <= 1, 'from 0 to 1');

const shareOrAuto = real((value) => value >= 0 && value <= 1, 'from 0 to 1, or auto');
/** Strength of detail. */
export const strength = (text: string): number | 'auto' => (text === 'auto' ? text : shareOrAuto(text));
export const upscale = real((value) => value > 1 && value <= MOST_UPSCALE, `above 1 and at most ${MOST_UPSCALE}`);

/** A size in pixels, or a word for one. */
export const sizeOr = <T extends string>(words: readonly T[], most: number) => (text: string): number | T => {
  const word = words.find((each) => each === text);
  if (word) return word;
  if (/^[+]?\d+$/.test(text) && Number(text) >= 1 && Number(text) <= most) return Number(text);
  throw new InvalidArgumentError(`Give a whole number from 1 to ${most}, ${words.join(' or ')}.`);
};

/** A text that `parse` takes, kept as it is: a batch hands it on. */
export const textFor = (parse: (text: string) => unknown) => (text: string): string => {
  try {
    parse(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
};

/** The numbers of a list with commas; NaN for an entry that is empty or not a number. */
export const numbersIn = (text: string): number[] => text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));

/** `0.5` or `0.485,0.456,0.406`, of red, green and blue. */
const colour = (isPositive: boolean) => (text: string): [number, number, number] => {
  const [red = NaN, green = red, blue = red, ...more] = numbersIn(text);
  const values: [number, number, number] = [red, green, blue];
  const isOneOrThree = more.length === 0 && text.split(',').length !== 2;
  if (isOneOrThree && values.every((value) => Number.isFinite(value) && !(isPositive && value <= 0))) return values;
  throw new InvalidArgumentError(`Give one number or three with commas (red,green,blue)${isPositive ? ', above 0' : ''}.`);
};
export const rgb = colour(false);
export const positiveRgb = colour(true);

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
