/** Lists of pairs as people have them: a row per circumstance, with the pairs or the refusal that come out of it. */

export interface ListCircumstance {
  readonly name: string;
  readonly bytes: string | Buffer;
  readonly expected: {
    /** Of each pair: name, photos, and settings as text. */
    readonly pairs: readonly (readonly [name: string, structure: string, appearance: string, settings?: string])[];
  } | { readonly refused: RegExp };
}

/** The folder that the lists are in. */
export const FOLDER = '/data';

const one = ['a-as-b', '/data/a.png', '/data/b.png'] as const;
const seeded = [...one, 'seed=7'] as const;
const read = (name: string, bytes: string | Buffer, ...pairs: readonly (readonly [string, string, string, string?])[]) =>
  ({ name, bytes, expected: { pairs } });
const refused = (name: string, bytes: string | Buffer, problem: RegExp) => ({ name, bytes, expected: { refused: problem } });

const spreadsheets: readonly ListCircumstance[] = [
  read('empty columns at the right', 'structure,appearance,,\na.png,b.png,,\n,,,\n', one),
  read('empty columns at the right, with semicolons', 'structure;appearance;;\r\na.png;b.png;;\r\n', one),
  read('an empty column at the left', ',structure,appearance\n,a.png,b.png\n', one),
  read('an empty column in the middle, of blanks', 'structure, ,appearance,seed\na.png, ,b.png,7\n', seeded),
  read('a comma at the end of the lines alone', 'structure,appearance\na.png,b.png,\n', one),
  read('commas at the end of some lines', 'structure,appearance,seed\na.png,b.png,7,,,\nc.png,d.png\n', seeded,
    ['c-as-d', '/data/c.png', '/data/d.png']),
  read('a comma at the end of the first line alone', 'structure,appearance,seed,\na.png,b.png,7\n', seeded),
  read('sep= with semicolons', 'sep=;\r\nstructure;appearance;seed\r\na.png;b.png;7\r\n', seeded),
  read('sep= after a byte order mark, in quotes', '\ufeff"sep=,"\nstructure,appearance\na.png,b.png\n', one),
  read('SEP=| with bars', 'SEP=|\nstructure|appearance\na.png|b.png\n', one),
  read('sep= saved again, with columns beside it', 'sep=,,,\nstructure,appearance,seed\na.png,b.png,7\n', seeded),
  read('sep= of a tab', 'sep=\t\nstructure\tappearance\na.png\tb.png\n', one),
  read('empty lines before the first', '\n;;\nstructure;appearance\na.png;b.png\n', one),
  read('ends of lines of two systems', 'structure,appearance\r\na.png,b.png\nc.png,d.png\r\n', one,
    ['c-as-d', '/data/c.png', '/data/d.png']),
  read('Unicode text: UTF-16 with tabs', Buffer.from('\ufeffstructure\tappearance\r\na.png\tb.png\r\n', 'utf16le'), one),
  refused('text beside the columns', 'structure,appearance,\na.png,b.png,look here\n',
    /line 2 has "look here" in a column without a name: name the column/),
  refused('a path with a comma, without quotes', 'structure,appearance\na.png,b, c.png\n', /line 2 has "c\.png" .* in quotes/),
  refused('text beside the columns, below sep=', 'sep=;\nstructure;appearance\na.png;b.png;x\n', /line 3 has "x" in a column/),
  refused('a line that is too short', 'structure,appearance\na.png\n', /line 2 has no appearance photo: fill in the column/),
  refused('a quote never closed', 'structure,appearance\n"a.png,b.png\n', /valid CSV file .*: add the quote that is missing/),
  refused('a quote inside a value', 'structure,appearance\n"a"b.png,c.png\n', /write a quote inside a value twice/),
];

const addresses = [
  'https://example.com/a.jpg', 'HTTP://example.com/a.jpg', 'file:///home/me/a.jpg', 's3://bucket/a.jpg',
  'data:image/png;base64,iVBO',
].map((address) => refused(`an address, ${address.slice(0, 5)}`, `structure,appearance\n"${address}",b.png\n`,
  /line 2: \S+ is an address, .*: save it here and give its path/));

const [EAST, LARGE] = ['\u6771', '\u{20000}'];
const named = (name: string): string => `structure,appearance,name\na.png,b.png,${name}\n`;
const kept = (name: string) => read(`the name ${name.slice(0, 12)}`, named(name), [name, '/data/a.png', '/data/b.png']);

const names: readonly ListCircumstance[] = [
  ...['CON', 'nul', 'NUL.txt', 'com1', 'LPT9.tar.gz', 'Aux.b', 'COM\u00b9', 'prn .x'].map((name) =>
    refused(`the name ${name}`, named(name), /is the name of a device on Windows: use another/)),
  ...['console', 'nulls', 'COM10', 'com', 'a.con'].map(kept),
  ...['report.html', 'Report.HTML', 'REPORT.html'].map((name) =>
    refused(`the name ${name}`, named(name), /is a file that the batch itself writes/)),
  ...['report', 'report.htm'].map(kept),
  ...['cafe\u0301', '\u0939\u093f\u0928\u094d\u0926\u0940', '\u0e17\u0e35\u0e48', 'ta\u0323m'].map(kept),
  refused('a name that is a mark alone', named('\u0301'), /is not a name for a folder/),
  ...[EAST.repeat(85), 'x'.repeat(100), LARGE.repeat(63)].map(kept),
  refused('a name of 258 bytes', named(EAST.repeat(86)), /has 258 bytes: use at most 255/),
  refused('a name of 256 bytes in 64 characters', named(LARGE.repeat(64)), /has 256 bytes: use at most 255/),
  refused('a name of 101 characters', named('x'.repeat(101)), /has 101 characters: use at most 100/),
  ...[['x', 'X'], ['STRASSE', 'stra\u00dfe'], ['caf\u00e9', 'cafe\u0301'], ['\u1e9e', 'ss'], ['\u212a', 'k']].map(([a, b]) =>
    refused(`the names ${a} and ${b}`, `${named(a!)}c.png,d.png,${b!}\n`, /line 3 has the name .* of .* line 2/)),
  read('photos whose names differ in case or form', 'structure,appearance\nSTRASSE.png,b.png\nstra\u00dfe.png,b.png\n',
    ['STRASSE-as-b', '/data/STRASSE.png', '/data/b.png'], ['stra\u00dfe-as-b-2', '/data/stra\u00dfe.png', '/data/b.png']),
  read('photos of a device\'s name', 'structure,appearance\ncon.png,Con.png\nnul.png,nul.jpg\n',
    ['con-as-Con', '/data/con.png', '/data/Con.png'], ['photo-nul', '/data/nul.png', '/data/nul.jpg']),
  read('photos with long names of large characters', `structure,appearance\n${EAST.repeat(90)}.png,${LARGE.repeat(60)}.png\n`,
    [`${EAST.repeat(33)}-as-${LARGE.repeat(25)}`, `/data/${EAST.repeat(90)}.png`, `/data/${LARGE.repeat(60)}.png`]),
];

export const lists: readonly ListCircumstance[] = [...spreadsheets, ...addresses, ...names];
