/** The planner without a GPU: merging, fusion, order and memory. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add, concat, copy, crop, gradients, Graph, mul, pack, reshape, schedule, scale, showSchedule, sub, sum, upsample2x, view,
  type Node, type Op, type Schedule, type Tensor,
} from '../../engine/index.js';
import { random } from '../helpers/random.js';

const lines = (s: Schedule): string[] => showSchedule(s).split('\n');

test('a graph prints one node per line', () => {
  const g = new Graph();
  const x = g.input('x', [2, 3]);
  gradients(sum(mul(x, g.parameter('w', [3]))), [x]);
  assert.is(g.toString(), [
    '%0 input x [2, 3]',
    '%1 parameter w [3]',
    '%2 mul(%0, %1) -> [2, 3]',
    '%3 sum(%2) shape=[1] -> [1]',
    '%4 constant 1 [1]',
    '%5 sumBackward(%4) shape=[2,3] -> [2, 3]',
    '%6 mul(%5, %1) -> [2, 3]',
  ].join('\n'));
});

test('nodes that no output depends on are not computed', () => {
  const g = new Graph();
  const x = g.input('x', [4]);
  scale(x, 3);
  assert.equal(lines(schedule([scale(x, 2)])), [
    '%4 mul(input x, constant 2) -> out2 [4]', '1 launches, 0 slots, 0.0 KiB, lower bound 0.0 KiB',
  ]);
});

test('equal nodes are computed once, and the merged one can still be asked for', () => {
  const g = new Graph();
  const x = g.input('x', [4]);
  const [a, b] = [mul(x, x), mul(x, x)];
  const s = schedule([a, add(a, b)]);
  assert.is(s.launches.length, 2);
  assert.is(s.resolve(b), a);
});

test('a chain needs two slots, however long', () => {
  const g = new Graph();
  let x = g.input('x', [256]);
  for (let i = 0; i < 10; i++) x = copy(x);
  const { plan } = schedule([sum(x)]);
  assert.equal(plan.slots, [1024, 1024]);
});

test('small tensors share the place of a large one, at offsets that can be bound', () => {
  const g = new Graph();
  const x = g.input('x', [4096]);
  const large = sum(copy(copy(x)));
  const late = concat([large, g.input('y', [99])], 0);
  const rows = [1, 2, 3, 4].map((i) => scale(late, i + 1));
  const { plan } = schedule([sum(concat(rows, 0))]);
  assert.ok(plan.slots.length <= 3, `${plan.slots}`);
  const placed = plan.storages.filter((s) => s.slot !== undefined);
  assert.ok(placed.some((s) => s.offset > 0));
  for (const { offset } of placed) assert.is(offset % 256, 0);
});

test('gradients are built only for the requested tensors', () => {
  const g = new Graph();
  const [x, w] = [g.input('x', [3]), g.parameter('w', [3])];
  const before = g.nodes.length;
  gradients(sum(mul(x, w)), [x]);
  const added = g.nodes.slice(before).map((n) => n.op.name);
  assert.equal(added, ['mul', 'sum', 'constant', 'sumBackward', 'mul']);
});

test('gradients by a tensor and by the tensor that it was made from', () => {
  const g = new Graph();
  const x = g.input('x', [3]);
  const y = mul(x, x);
  const [dy, dx] = gradients(sum(y), [y, x]);
  assert.is(dy!.node.op.name, 'sumBackward');
  assert.is(dx!.node.op.name, 'add');
});

test('inputs of one name are one input, or refused', () => {
  const g = new Graph();
  assert.is(schedule([add(g.input('x', [3]), g.input('x', [3]))]).leaves.length, 1);
  assert.throws(() => schedule([add(g.input('y', [2, 3]), g.input('y', [3]))]), 'schedule: input y is used as [2, 3] and as [3]');
});

test('gradients of one tensor used twice are added', () => {
  const g = new Graph();
  const x = g.input('x', [3]);
  const [dx] = gradients(sum(add(mul(x, x), x)), [x]);
  assert.is(dx!.node.op.name, 'add');
});

test('gradients that do not exist are refused with the reason', () => {
  const g = new Graph();
  const [x, y] = [g.input('x', [3]), g.input('y', [3])];
  assert.throws(() => gradients(mul(x, x), [x]), /must be a scalar, got \[3\]/);
  assert.throws(() => gradients(mul(x, x), [x], g.input('dy', [2])), /dy must have the shape of y, \[3\], got \[2\]/);
  assert.throws(() => gradients(sum(x), [y]), /does not depend on %1 input y/);
  const opaque: Op = { name: 'opaque', shapes: ([t]) => [t!.shape] };
  assert.throws(() => gradients(sum(g.add(opaque, [x], {})[0]!), [x]), /opaque has no gradient/);
});

test('pack computes its inputs in place and copies the others', () => {
  const g = new Graph();
  const [x, w] = [g.input('x', [3]), g.parameter('w', [70])];
  const flat = pack([scale(x, 2), w, scale(x, 3)]);
  const s = schedule([sum(flat)]);
  assert.equal(lines(s).slice(0, 4).map((l) => l.replace(/%\d+ /, '')), [
    'mul(input x, constant 2) -> s0 [3]', 'mul(input x, constant 3) -> s0+192 [3]', 'copy(w) -> s0+64 [70]',
    'sum(s0) -> out5 [1]',
  ]);
});

test('a crop of as many rows as there are channels is not taken for a slice of channels', () => {
  const g = new Graph();
  const x = g.input('x', [1, 4, 3, 5]);
  const [dx] = gradients(sum(crop(upsample2x(x), 1, 0, 4, 10)), [x]);
  assert.equal(schedule([dx!]).launches.map((n) => n.op.name), ['sumBackward', 'window', 'upsample2xBackward']);
});

test('views and reshapes are not launches', () => {
  const g = new Graph();
  const w = g.parameter('w', [200]);
  const s = schedule([add(reshape(view(w, [6], 64), [2, 3]), reshape(view(w, [6], 128), [2, 3]))]);
  assert.equal(lines(s)[0]!.replace(/%\d+ /, ''), 'add(w+64, w+128) -> out1 [2, 3]');
  assert.throws(() => view(w, [6], 3), /not a multiple of 64/);
  assert.throws(() => view(w, [100], 128), /reaches beyond \[200\]/);
});

const overwrite: Op = {
  name: 'overwrite', inPlace: 1, shapes: ([w]) => [w!.shape], kernel: () => ({ code: '', workgroups: [1, 1, 1] }),
};

test('a launch that overwrites comes after all readers of the old contents', () => {
  const g = new Graph();
  const w = g.parameter('w', [4]);
  const updated = g.add(overwrite, [w, g.input('dw', [4])], {})[0]!;
  const late = scale(w, 2);
  const names = schedule([updated, late]).launches.map((n) => n.op.name);
  assert.equal(names, ['mul', 'overwrite']);
});

test('reading both before and after an overwrite in one launch is refused', () => {
  const g = new Graph();
  const w = g.parameter('w', [4]);
  const updated = g.add(overwrite, [w, g.input('dw', [4])], {})[0]!;
  assert.throws(() => schedule([sub(updated, w)]), /read after the launch that overwrites it/);
});

/** A random graph of pointwise nodes of different sizes, views, packs and reuse. */
function randomGraph(seed: number): Tensor[] {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
  const g = new Graph();
  const sizes = [64, 128, 640, 1024];
  const tensors: Tensor[] = sizes.map((n, i) => g.input(`x${i}`, [n]));
  for (let i = 0; i < 40; i++) {
    const a = pick(tensors);
    const twins = tensors.filter((t) => t.shape[0] === a.shape[0]);
    const kind = next();
    if (kind < 0.5) tensors.push(add(a, pick(twins)));
    else if (kind < 0.7) tensors.push(scale(a, i));
    else if (kind < 0.8) tensors.push(view(a, [64], 0));
    else if (kind < 0.9) tensors.push(pack([a, pick(tensors)]));
    else tensors.push(copy(a));
  }
  return [tensors.at(-1)!, tensors.at(-2)!, pick(tensors.slice(4))];
}

/** Replays the launches: none may read a tensor that another has overwritten, or read and write one buffer. */
function replay({ launches, plan }: Schedule): void {
  const owner = new Map<string, Tensor>();
  const cells = (t: Tensor): string[] => {
    const { storage, offset } = plan.placeOf(t)!;
    const home = storage.slot === undefined ? `own${storage.id}` : `slot${storage.slot}`;
    return Array.from({ length: t.shape[0]! }, (_, i) => `${home}:${storage.offset / 4 + offset + i}`);
  };
  const bufferOf = (t: Tensor): string => cells(t)[0]!.split(':')[0]!;
  const root = new Map<string, Node>();
  for (const node of launches) {
    for (const t of node.inputs) {
      for (const cell of cells(t)) {
        const written = root.get(cell);
        const { storage } = plan.placeOf(t)!;
        if (storage.slot === undefined) continue;
        const isOwner = written && plan.placeOf(owner.get(cell)!)!.storage === storage;
        assert.ok(isOwner, `${node.op.name} reads ${cell} of another tensor`);
      }
      for (const y of node.outputs) assert.is.not(bufferOf(t), bufferOf(y), 'one buffer read and written by a launch');
    }
    for (const y of node.outputs) for (const cell of cells(y)) { owner.set(cell, y); root.set(cell, node); }
  }
}

test('100 random graphs: no tensor is overwritten while it is needed', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const s = schedule(randomGraph(seed));
    replay(s);
    const total = s.plan.slots.reduce((a, b) => a + b, 0);
    assert.ok(total >= s.plan.lowerBound, `seed ${seed}: ${total} bytes cannot be below the bound ${s.plan.lowerBound}`);
  }
});

test.run();
