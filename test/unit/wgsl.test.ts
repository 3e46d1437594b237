import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { remembered, rewriter } from '../../shaders/parts/remembered.js';
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

test('texts are made once for each key, and for each kernel that is rewritten', () => {
  let made = 0;
  const counted = (...parts: readonly unknown[]): string => `${(made += 1)}: ${parts.join(' ')}`;
  const kernel = remembered((size: number, load: () => string) => `${size} ${load()}`, (size, load) => counted(size, load()));
  assert.equal(['a', 'b', 'a'].map((name) => kernel(4, () => name)), ['1: 4 a', '2: 4 b', '1: 4 a']);
  const rewrite = rewriter((binding: number) => `${binding}`, counted);
  assert.equal([rewrite('a', 1), rewrite('b', 1), rewrite('a', 2), rewrite('a', 1)], ['3: a 1', '4: b 1', '5: a 2', '3: a 1']);
});

test.run();
