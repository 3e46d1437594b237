/** Parsers of option values for commander: each answers with a number or says what is expected. */
import { InvalidArgumentError } from 'commander';

/** A whole number from `least` to `most`. */
export const whole = (least: number, most = 1e9) => (text: string): number => {
  const value = Number(text);
  if (/^[+]?\d+$/.test(text) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
};

/** A finite number of at least 0, or above 0 when `positive`. */
export const real = ({ positive }: { positive: boolean }) => (text: string): number => {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0 && !(positive && value === 0)) return value;
  throw new InvalidArgumentError(`Give a number ${positive ? 'above 0' : 'of 0 or more'}.`);
};

/** `0.5` or `0.485,0.456,0.406`, of red, green and blue. */
export const rgb = ({ positive }: { positive: boolean }) => (text: string): [number, number, number] => {
  const values = text.split(',').map(Number);
  const isNumber = (value: number) => Number.isFinite(value) && !(positive && value <= 0);
  if (text.split(',').every((part) => part.trim() !== '') && values.every(isNumber) && (values.length === 1 || values.length === 3)) {
    return [values[0]!, values[1] ?? values[0]!, values[2] ?? values[0]!];
  }
  throw new InvalidArgumentError(`Give one number or three with commas (red,green,blue)${positive ? ', above 0' : ''}.`);
};
