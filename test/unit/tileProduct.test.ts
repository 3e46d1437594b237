/** Stores to the tiles of convolutions on GPUs whose 32 banks of workgroup memory are 4 bytes wide, such as NVIDIA's. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gatherTiles, forwardGather } from '../../shaders/conv2d.js';
import { weightTiles } from '../../shaders/conv2dBackward.js';
import { TILE_THREADS, tileProduct, tileSize } from '../../shaders/parts/tileProduct.js';

/** Threads whose vectors of 16 bytes are stored at once, and vectors that the banks hold side by side. */
const AT_ONCE = 8;

type Size = ReturnType<typeof tileSize>;

/** What a WGSL expression of whole numbers gives. */
const evaluated = (expression: string, names: Readonly<Record<string, number>>): number =>
  new Function(...Object.keys(names), `return Math.trunc(${expression})`)(...Object.values(names)) as number;

/** The most threads of eight that store to one group of banks, by the expressions in the kernel's text. */
function mostOnOneBank(code: string, tile: 'a' | 'b', { TM, TN, KC }: Size): number {
  const found = (pattern: RegExp): string => pattern.exec(code)![1]!;
  const name = `STEP_${tile.toUpperCase()}`;
  const stride = evaluated(found(new RegExp(`override ${name}: u32 = (.*);`)), { TM, TN });
  const deep = found(/let deep = (.*);/);
  const quad = found(new RegExp(`for \\(var quad = (.*?); quad < quads_${tile}`));
  const place = found(new RegExp(`tile_${tile}\\[(deep.*?)\\] =`));
  const [quads, most] = [(tile === 'a' ? TM : TN) / 4, [] as number[]];
  for (let first = 0; first < TILE_THREADS; first += AT_ONCE) {
    const meeting = new Map<number, number>();
    for (let lane = first; lane < first + AT_ONCE; lane++) {
      const at = { deep: evaluated(deep, { lane, KC }), quad: evaluated(quad, { lane, KC }) };
      if (at.quad >= quads) continue;
      const bank = evaluated(place, { ...at, [name]: stride }) % AT_ONCE;
      meeting.set(bank, (meeting.get(bank) ?? 0) + 1);
    }
    most.push(...meeting.values());
  }
  return Math.max(...most);
}

const gather = forwardGather(3, 1, false);
const sizes = [4, 8, 16, 32].map((rows) => tileSize(rows));

test('padded tiles: no two threads store to one bank', () => {
  const [forward, weight] = [gatherTiles(gather, undefined, tileProduct(true)), weightTiles(gather, tileProduct(true))];
  for (const size of sizes) {
    assert.is(mostOnOneBank(forward, 'a', size), 1, `forward, ${size.TM} rows`);
    assert.equal([mostOnOneBank(weight, 'a', size), mostOnOneBank(weight, 'b', size)], [1, 1], `weight, ${size.TM} rows`);
  }
});

test('without padding up to eight do', () => {
  const forward = gatherTiles(gather);
  assert.equal(sizes.map((size) => mostOnOneBank(forward, 'a', size)), [1, 2, 4, 8]);
});

test.run();
