/** Names of the pairs' folders: distinct on every file system, and none that a system or the batch needs itself. */
import { basename, dirname, extname } from 'node:path';
import { InputError } from '../../shared/errors.js';

/** Not a path, nothing that is special to shells or web pages, and nothing hidden. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_. -]*$/u;
const MOST_CHARACTERS = 100;
/** Common file systems take no more. */
const MOST_BYTES = 255;
/** Of each photo's name in a name that is made of two. */
const WORD_CHARACTERS = 40;
const WORD_BYTES = 100;
/** Names of devices on Windows, whatever follows the dot. */
const DEVICE = /^(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|$)/i;
/** What the batch writes beside the folders. */
const OWN_FILES = ['report.html'];

/** Equal for names that some file system takes for one: of other case, or of characters composed in another way. */
const folded = (name: string): string => name.normalize('NFC').toLowerCase().toUpperCase().normalize('NFC');

/** Why a text is no name for a folder; undefined for one that is. */
function problemOf(name: string): string | undefined {
  const shown = `"${[...name].slice(0, 60).join('')}"`;
  const isOurs = OWN_FILES.some((file) => folded(file) === folded(name));
  const length = [...name].length;
  if (!NAME.test(name)) return `${shown} is not a name for a folder: use only letters, digits, spaces, _ - .`;
  if (/[. ]$/.test(name)) return `${shown} is not a name for a folder: it must not end with a dot or a space`;
  if (DEVICE.test(name)) return `${shown} is the name of a device on Windows: use another`;
  if (isOurs) return `${shown} is a file that the batch itself writes: use another name`;
  if (length > MOST_CHARACTERS) return `the name ${shown}... has ${length} characters: use at most ${MOST_CHARACTERS}`;
  const bytes = Buffer.byteLength(name);
  return bytes > MOST_BYTES ? `the name ${shown}... has ${bytes} bytes: use at most ${MOST_BYTES}` : undefined;
}

interface Photos {
  readonly structure: string;
  readonly appearance: string;
}

/** Names for one batch; equal lines in equal order get equal names. */
export function createNames() {
  const takenBy = new Map<string, string>();
  /** The last number that was given to a made name. */
  const numbered = new Map<string, number>();
  const take = (name: string, where: string): string => {
    takenBy.set(folded(name), where);
    return name;
  };
  return {
    /** @throws InputError for a name that is unusable, or that of another pair */
    given: (name: string, where: string): string => {
      const problem = problemOf(name);
      if (problem) throw new InputError(`${where}: ${problem}`);
      const other = takenBy.get(folded(name));
      if (other) throw new InputError(`${where} has the name "${name}" of ${other}: give each its own name`);
      return take(name, where);
    },
    /** `cow-as-highland`, with a number if that is taken. */
    made: (photos: Photos, where: string): string => {
      const base = madeOf(photos);
      for (let n = (numbered.get(folded(base)) ?? 0) + 1; ; n++) {
        const name = n === 1 ? base : `${base}-${n}`;
        if (takenBy.has(folded(name))) continue;
        numbered.set(folded(base), n);
        return take(name, where);
      }
    },
  };
}

function madeOf({ structure, appearance }: Photos): string {
  const word = (path: string): string => plain(basename(path, extname(path))) || 'photo';
  // Pairs in folders have files of the same names: their folder distinguishes them.
  const own = (path: string): string => (/^(structure|appearance)$/i.test(word(path)) ? word(dirname(path)) : word(path));
  const base = own(structure) === own(appearance) ? own(structure) : `${own(structure)}-as-${own(appearance)}`;
  return DEVICE.test(base) ? `photo-${base}` : base;
}

const plain = (name: string): string =>
  beginningOf(name.replace(/[^\p{L}\p{M}\p{N}_-]+/gu, '-').replace(/^[-\p{M}]+/u, '')).replace(/-+$/, '');

/** As many whole characters as a part of a name may have. */
function beginningOf(name: string): string {
  let [text, bytes] = ['', 0];
  for (const character of [...name].slice(0, WORD_CHARACTERS)) {
    bytes += Buffer.byteLength(character);
    if (bytes > WORD_BYTES) break;
    text += character;
  }
  return text;
}
