/** Letters for pictures: a bitmap font of the project, so that labels need no installed fonts. */
import type { Image } from '../../model/image.js';

/** Size of a letter's cell in dots: 5 and a gap across, 7 and two for descenders down. */
export const CELL = { width: 6, height: 9 } as const;

/** The letters from space to tilde. A digit is a row of five dots in base 32, from the top; empty last rows are left out. */
const LETTERS = `0 4444404 aaa aavavaa 4fke5u4 op248j3 cik8lid 44 2488842 8422248 04lel4 044v44 00000c48 000v 00000cc 01248g
ehjlphe 4c4444e eh1248v v2421he 26aiv22 vgu11he 68guhhe v124888 ehhehhe ehhf12c 0cc0cc 0cc0c48 248g842 00v0v 8421248 eh12404
ehnlnge ehhvhhh uhhuhhu ehggghe uhhhhhu vgguggv vgguggg ehgnhhf hhhvhhh e44444e 72222ic hikokih ggggggv hrllhhh hhpljhh ehhhhhe
uhhuggg ehhhlid uhhukih fgge11u v444444 hhhhhhe hhhhha4 hhhllla hha4ahh hhha444 v1248gv e88888e 0g8421 e22222e 4ah 0000000v
84 00e1fhf ggmphhu 00egghe 11djhhf 00ehvge 698s888 00fhhhf1e ggmphhh 40c444e 2062222ic ggikoki c44444e 00qllhh 00mphhh 00ehhhe
00uhhhugg 00fhhhf11 00mpggg 00fge1u 88s8896 00hhhjd 00hhha4 00hhlla 00ha4ah 00hhhhf1e 00v248v 6448446 4444444 c44244c 008l2`
  .split(/\s/).map((rows) => [...rows].map((digit) => parseInt(digit, 32)));

/** Drawn for a letter that the font lacks. */
const UNKNOWN = [31, 17, 17, 17, 17, 17, 31];

const rowsOf = (letter: string): readonly number[] => LETTERS[letter.charCodeAt(0) - 32] ?? UNKNOWN;

/** Width of `text` in pixels when a dot is `dot` pixels wide. */
export const textWidth = (text: string, dot: number): number => [...text].length * CELL.width * dot;

/** Draws `text` in grey `ink` (0 black, 1 white), the top left corner at `left`, `top`, cut off at the picture's edges. */
export function drawText({ width, height, data }: Image, text: string, left: number, top: number, dot: number, ink = 0.1): void {
  const fill = (x: number, y: number): void => {
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    for (let c = 0; c < 3; c++) data[(c * height + y) * width + x] = ink;
  };
  [...text].forEach((letter, i) => rowsOf(letter).forEach((row, r) => {
    for (let k = 0; k < 5; k++) {
      if (!(row & (16 >> k))) continue;
      const [x, y] = [left + (i * CELL.width + k) * dot, top + r * dot];
      for (let p = 0; p < dot * dot; p++) fill(x + (p % dot), y + Math.floor(p / dot));
    }
  }));
}

/** Breaks `text` into lines of at most `width` pixels: between words, or inside a word that is longer than a line. */
export function wrapText(text: string, width: number, dot: number): string[] {
  const most = Math.max(1, Math.floor(width / (CELL.width * dot)));
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const pieces = word.match(new RegExp(`.{1,${most}}`, 'gsu')) ?? [''];
    for (const [i, piece] of pieces.entries()) {
      const line = lines.at(-1);
      if (i === 0 && line !== undefined && line.length + 1 + piece.length <= most) lines[lines.length - 1] = `${line} ${piece}`;
      else lines.push(piece);
    }
  }
  return lines;
}
