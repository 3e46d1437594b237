import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wgsl } from '../../shaders/parts/wgsl.js';

const flat = (text: string): string => text.replace(/\s+/g, ' ').trim();

test('takes the branch of the condition', () => {
  const source = (yes: boolean): string => wgsl`
a
#if ${yes}
b
#else
c
#endif
d${4}`;
  assert.is(flat(source(true)), 'a b d4');
  assert.is(flat(source(false)), 'a c d4');
});

test('takes the first true one of several', () => {
  const source = (x: number): string => wgsl`
#if ${x === 1}
one
#elif ${x === 2}
two
#else
many
#endif
`;
  assert.equal([1, 2, 3].map((x) => flat(source(x))), ['one', 'two', 'many']);
});

test('refuses what the package mistakes silently', () => {
  const v = true;
  assert.throws(() => wgsl`
#elseif ${v}
`, /directive alone on its line/);
  assert.throws(() => wgsl`
#if ${v} && ${v}
#endif
`, /directive alone on its line/);
  assert.throws(() => wgsl`// see #if for more`, /directive alone on its line/);
  assert.throws(() => wgsl`let x = ${1.5};`, /strings or integers only/);
  assert.throws(() => wgsl`let x = ${undefined as unknown as string};`, /got undefined/);
  assert.throws(() => wgsl`let x = ${['a'] as unknown as string};`, /strings or integers only/);
  assert.throws(() => wgsl`
#if ${1 as unknown as boolean}
#endif
`, /takes a boolean/);
});

test.run();
