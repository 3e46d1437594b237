/** The examples of engine/README.md. */
import { text } from '../helpers/sources.js';

/** The program below the words that a paragraph begins with. */
export const example = (words: string): string =>
  /```js\n([^]*?)```/.exec(text('engine/README.md').split(`**${words}`)[1]!)![1]!;
