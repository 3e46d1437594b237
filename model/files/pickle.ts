/**
 * A machine for the part of Python's pickle language that state dicts use (https://docs.python.org/3/library/pickletools.html).
 * Pickle is a program that builds objects on a stack. This machine builds only numbers, strings, arrays and maps, asks its host
 * for every name and every storage, and stops at anything else.
 */
import { CheckpointFileError } from './errors.js';

/** The host's replacement of a Python function or class. */
export class Callable {
  constructor(readonly name: string, readonly call: (args: readonly unknown[]) => unknown) {}
}

/** An object with fields (a Python Namespace, a TorchScript module): data, no behaviour. */
export class Fields {
  values: ReadonlyMap<unknown, unknown> = new Map();
}

export interface PickleHost {
  /** The value of `module.name`. @throws CheckpointFileError for names that are not on the host's list */
  readonly global: (name: string) => unknown;
  /** The object outside the pickle that `id` names. */
  readonly persistent: (id: unknown) => unknown;
}

/** A ViT with optimiser takes 50 000; the limit protects the memory from hostile files. */
const MAX_STEPS = 150_000;
const MAX_BYTES = 8_000_000;
const MAX_LINE = 256;

/** The value at `begin` and the position after it. Lists and tuples become arrays, dicts become Maps. */
export function unpickle(bytes: Uint8Array, host: PickleHost, begin = 0): { value: unknown; end: number } {
  const machine = new Machine(bytes.subarray(0, begin + MAX_BYTES), host, begin);
  for (let count = 0; count < MAX_STEPS; count++) {
    const code = machine.uint(1);
    if (code === STOP) return { value: machine.pop(), end: machine.at };
    const step = steps.get(code);
    if (!step) {
      const opcode = `0x${code.toString(16).padStart(2, '0')}`;
      throw new CheckpointFileError(`the pickle has opcode ${opcode} at byte ${machine.at - 1}, which state dicts do not need`);
    }
    step(machine);
  }
  throw new CheckpointFileError(`the pickle has more than ${MAX_STEPS} steps: no state dict needs that many`);
}

class Machine {
  private readonly view: DataView;
  private readonly stack: unknown[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();

  constructor(private readonly bytes: Uint8Array, readonly host: PickleHost, public at: number) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private fail(what: string, why = ''): CheckpointFileError {
    return new CheckpointFileError(`the pickle ${what} before byte ${this.at}${why}`);
  }

  /** Skips `size` bytes and returns the position of the first. */
  skip(size: number): number {
    if (size > this.bytes.length - this.at) {
      throw new CheckpointFileError(`the pickle is cut short, damaged or too long: it needs ${size} bytes at byte ${this.at}`);
    }
    this.at += size;
    return this.at - size;
  }

  uint(size: 1 | 2 | 4): number {
    const at = this.skip(size);
    return size === 1 ? this.view.getUint8(at) : size === 2 ? this.view.getUint16(at, true) : this.view.getUint32(at, true);
  }

  int32(): number {
    return this.view.getInt32(this.skip(4), true);
  }

  float(): number {
    return this.view.getFloat64(this.skip(8), false);
  }

  /** LONG1: two's complement, lowest byte first; a bigint if a number is not exact. */
  long(): number | bigint {
    const size = this.uint(1);
    const at = this.skip(size);
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[at + i]!);
    value = BigInt.asIntN(8 * size, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  text(size: number): string {
    const at = this.skip(size);
    return new TextDecoder().decode(this.bytes.subarray(at, at + size));
  }

  line(): string {
    const length = this.bytes.subarray(this.at, this.at + MAX_LINE).indexOf(0x0a);
    if (length < 0) throw new CheckpointFileError(`the pickle has a name without an end at byte ${this.at}`);
    return this.text(length + 1).slice(0, -1);
  }

  push(value: unknown): void {
    this.stack.push(value);
  }

  /** An opcode may only take what was pushed since the last mark. */
  pop(): unknown {
    this.top();
    return this.stack.pop();
  }

  top(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw this.fail('takes from an empty stack');
    return this.stack.at(-1);
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  popToMark(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw this.fail('has no mark');
    return this.stack.splice(mark);
  }

  /** The last `count` values as a tuple. */
  tuple(count: number): void {
    const values = Array.from({ length: count }, () => this.pop());
    this.push(values.reverse());
  }

  put(index: number): void {
    this.memo.set(index, this.top());
  }

  memoize(): void {
    this.put(this.memo.size);
  }

  get(index: number): void {
    if (!this.memo.has(index)) throw this.fail(`recalls object ${index}`, ', which it has not stored');
    this.push(this.memo.get(index));
  }

  append(values: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw this.fail('appends to something that is not a list');
    for (const value of values) list.push(value);
  }

  setItems(pairs: readonly unknown[]): void {
    const map = this.top();
    if (!(map instanceof Map) || pairs.length % 2 !== 0) throw this.fail('sets items of something that is not a dict');
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }

  /** REDUCE and NEWOBJ: the only way to call, and only what the host made. */
  call(): void {
    const [args, callee] = [this.pop(), this.pop()];
    if (!(callee instanceof Callable) || !Array.isArray(args)) throw this.fail('calls something that is not a function');
    this.push(callee.call(args));
  }

  /** Attributes of an object. Those of an OrderedDict (its `_metadata`) are not items and are dropped, as is any other state. */
  build(): void {
    const [state, object] = [this.pop(), this.top()];
    if (!(object instanceof Fields || object instanceof Map)) throw this.fail('sets attributes of an object without any');
    if (object instanceof Fields && state instanceof Map) object.values = state;
  }

  /** Objects are never turned into text: a list that holds a list twice, thirty levels deep, has a billion characters. */
  stackGlobal(): void {
    const [name, module] = [this.pop(), this.pop()];
    if (!isName(name) || !isName(module)) throw this.fail('has an invalid name');
    this.push(this.host.global(`${module}.${name}`));
  }
}

const isName = (value: unknown): value is string => typeof value === 'string' && value.length <= MAX_LINE;

const STOP = 0x2e;
const HIGHEST_PROTOCOL = 5;

/** Every supported opcode, with its name in pickletools. */
const steps: ReadonlyMap<number, (m: Machine) => void> = new Map([
  [0x80, (m) => checkProtocol(m.uint(1))], // PROTO
  [0x95, (m) => void m.skip(8)], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4b, (m) => m.push(m.uint(1))], // BININT1
  [0x4d, (m) => m.push(m.uint(2))], // BININT2
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x8a, (m) => m.push(m.long())], // LONG1
  [0x47, (m) => m.push(m.float())], // BINFLOAT
  [0x58, (m) => m.push(m.text(m.uint(4)))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.uint(1)))], // SHORT_BINUNICODE
  [0x55, (m) => m.push(m.text(m.uint(1)))], // SHORT_BINSTRING, of Python 2
  [0x54, (m) => m.push(m.text(m.uint(4)))], // BINSTRING
  [0x43, (m) => m.push(m.text(m.uint(1)))], // SHORT_BINBYTES, as text: it is not used
  [0x42, (m) => m.push(m.text(m.uint(4)))], // BINBYTES
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x85, (m) => m.tuple(1)], // TUPLE1
  [0x86, (m) => m.tuple(2)], // TUPLE2
  [0x87, (m) => m.tuple(3)], // TUPLE3
  [0x74, (m) => m.push(m.popToMark())], // TUPLE
  [0x61, (m) => m.append([m.pop()])], // APPEND
  [0x65, (m) => m.append(m.popToMark())], // APPENDS
  [0x73, (m) => m.setItems([m.pop(), m.pop()].reverse())], // SETITEM
  [0x75, (m) => m.setItems(m.popToMark())], // SETITEMS
  [0x71, (m) => m.put(m.uint(1))], // BINPUT
  [0x72, (m) => m.put(m.uint(4))], // LONG_BINPUT
  [0x94, (m) => m.memoize()], // MEMOIZE
  [0x68, (m) => m.get(m.uint(1))], // BINGET
  [0x6a, (m) => m.get(m.uint(4))], // LONG_BINGET
  [0x63, (m) => m.push(m.host.global(`${m.line()}.${m.line()}`))], // GLOBAL
  [0x93, (m) => m.stackGlobal()], // STACK_GLOBAL
  [0x52, (m) => m.call()], // REDUCE
  [0x81, (m) => m.call()], // NEWOBJ
  [0x62, (m) => m.build()], // BUILD
  [0x51, (m) => m.push(m.host.persistent(m.pop()))], // BINPERSID
]);

function checkProtocol(protocol: number): void {
  if (protocol <= HIGHEST_PROTOCOL) return;
  throw new CheckpointFileError(`the pickle is of protocol ${protocol}, known are those up to ${HIGHEST_PROTOCOL}`);
}
