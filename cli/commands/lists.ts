/** Parsers of option values that are lists with commas. */
import { InvalidArgumentError } from 'commander';
import { whole } from './numbers.js';

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
