/**
 * A machine for Python's pickle language up to protocol 5 (https://docs.python.org/3/library/pickletools.html). Pickle is a
 * program that builds objects on a stack. This machine builds only numbers, texts, arrays and maps, asks its host for every name
 * and every storage, and lets inert data stand for everything else.
 */
import { CheckpointFileError } from './errors.js';
import { called, StandIn } from './standIn.js';

export interface PickleHost {
  /** The value of `module.name`: a Callable or a StandIn. */
  readonly global: (name: string) => unknown;
  /** The object outside the pickle that `id` names. */
  readonly persistent: (id: unknown) => unknown;
}

/** Protects the time: a ViT with its optimiser takes 50 000 steps, and logs beside it have a few for every number. */
const MAX_STEPS = 750_000;
/** Protects the memory: a dict takes 200 bytes for one of the file. A ViT with its optimiser has 20 000 objects. */
const MAX_OBJECTS = 150_000;
/** Names are shorter. Longer texts are logs, and bytes are arrays of NumPy: they are skipped. */
const MAX_TEXT = 4096;
const MAX_LINE = 1000;

/** The value at `begin` and the position after it. Lists, tuples and sets become arrays, dicts become Maps. */
export function unpickle(bytes: Uint8Array, host: PickleHost, begin = 0): { value: unknown; end: number } {
  const machine = new Machine(bytes, host, begin);
  for (let count = 0; count < MAX_STEPS; count++) {
    const code = machine.uint(1);
    if (code === STOP) return { value: machine.pop(), end: machine.at };
    const step = steps.get(code);
    if (!step) {
      const opcode = `0x${code.toString(16).padStart(2, '0')}`;
      throw new CheckpointFileError(`the pickle has ${opcode} at byte ${machine.at - 1}, which is no opcode`);
    }
    step(machine);
  }
  throw tooMuch(`${MAX_STEPS} steps`);
}

const tooMuch = (what: string): CheckpointFileError =>
  new CheckpointFileError(`the pickle has more than ${what}, far more than weights need`, 'save a state_dict() alone');

class Machine {
  private readonly view: DataView;
  private readonly stack: unknown[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  private objects = 0;

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

  /** A 64-bit length; not exact above 2^53, which is larger than every file. */
  length(): number {
    return Number(this.view.getBigUint64(this.skip(8), true));
  }

  /** LONG1, LONG4: two's complement, lowest byte first. No count or size has more than eight bytes: longer ones are not used. */
  long(size: number): number {
    const at = this.skip(size);
    if (size > 8) return NaN;
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[at + i]!);
    return Number(BigInt.asIntN(8 * size, value));
  }

  text(size: number): string | StandIn {
    const at = this.skip(size);
    return size > MAX_TEXT ? new StandIn('a long text') : new TextDecoder().decode(this.bytes.subarray(at, at + size));
  }

  /** Bytes are not used. */
  binary(size: number): StandIn {
    this.skip(size);
    return new StandIn('bytes');
  }

  /** The text up to the end of the line, which is skipped. */
  line(): string {
    const length = this.bytes.subarray(this.at, this.at + MAX_LINE).indexOf(0x0a);
    if (length < 0) throw new CheckpointFileError(`the pickle has a line without an end at byte ${this.at}`);
    return (this.text(length + 1) as string).slice(0, -1);
  }

  /** A line of any length. */
  longLine(): string | StandIn {
    const end = this.bytes.indexOf(0x0a, this.at);
    const text = this.text((end < 0 ? this.bytes.length : end) + 1 - this.at);
    return typeof text === 'string' ? text.slice(0, -1) : text;
  }

  push(value: unknown): void {
    if (typeof value === 'object' && value !== null && ++this.objects > MAX_OBJECTS) throw tooMuch(`${MAX_OBJECTS} objects`);
    this.stack.push(value);
  }

  /** An opcode may only take what was pushed since the last mark. */
  pop(): unknown {
    this.top();
    return this.stack.pop();
  }

  /** POP takes a mark, if that is what is on top. */
  discard(): void {
    if (this.marks.at(-1) === this.stack.length) this.popToMark();
    else this.pop();
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
    if (this.memo.size > MAX_OBJECTS) throw tooMuch(`${MAX_OBJECTS} stored objects`);
  }

  memoize(): void {
    this.put(this.memo.size);
  }

  get(index: number): void {
    if (!this.memo.has(index)) throw this.fail(`recalls object ${index}`, ', which it has not stored');
    this.push(this.memo.get(index));
  }

  append(values: readonly unknown[]): void {
    const object = this.top();
    const list = object instanceof StandIn ? (object.elements ??= []) : object;
    if (!Array.isArray(list)) throw this.fail('appends to something that is not a list');
    for (const value of values) list.push(value);
  }

  setItems(pairs: readonly unknown[]): void {
    const object = this.top();
    const map = object instanceof StandIn ? (object.items ??= new Map()) : object;
    if (!(map instanceof Map) || pairs.length % 2 !== 0) throw this.fail('sets items of something that is not a dict');
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }

  /** DICT: the keys and values since the mark. */
  dict(): void {
    const pairs = this.popToMark();
    this.push(new Map());
    this.setItems(pairs);
  }

  call(callee: unknown, args: unknown): void {
    const result = Array.isArray(args) ? called(callee, args) : undefined;
    if (!result) throw this.fail('calls something that is not a function');
    this.push(result.value);
  }

  /** REDUCE, NEWOBJ: a function or class and a tuple of arguments. */
  reduce(): void {
    const [args, callee] = [this.pop(), this.pop()];
    this.call(callee, args);
  }

  /** OBJ: a class and its arguments, since the mark. */
  object(): void {
    const [callee, ...args] = this.popToMark();
    this.call(callee, args);
  }

  /** Attributes. Those of an OrderedDict (its `_metadata`) are not items and are dropped, as is any known object's state. */
  build(): void {
    const [state, object] = [this.pop(), this.top()];
    if (object instanceof StandIn) object.state = state;
  }

  name(module: string, name: string): unknown {
    return this.host.global(`${module}.${name}`);
  }

  /** Objects are never turned into text: a list that holds a list twice, thirty levels deep, has a billion characters. */
  stackGlobal(): void {
    const [name, module] = [this.pop(), this.pop()];
    if (!isName(name) || !isName(module)) throw this.fail('has an invalid name');
    this.push(this.name(module, name));
  }
}

const isName = (value: unknown): value is string => typeof value === 'string' && value.length <= MAX_LINE;

/** INT: two of its lines are truth values. LONG: with an L at the end. */
const wholeNumber = (line: string): number | boolean => (/^0[01]$/.test(line) ? line === '01' : Number(line.replace(/L$/, '')));

/** STRING: as Python's repr() of a str writes it. */
const unquoted = (line: string | StandIn): string | StandIn =>
  (typeof line === 'string' ? line.slice(1, -1).replace(/\\([\\'"])/g, '$1') : line);

/** UNICODE: Python's raw-unicode-escape. */
const unescaped = (line: string | StandIn): string | StandIn => (typeof line !== 'string' ? line
  : line.replace(/\\u([0-9a-f]{4})/gi, (_, digits: string) => String.fromCharCode(parseInt(digits, 16))));

const STOP = 0x2e;
const HIGHEST_PROTOCOL = 5;

/** Every opcode, with its name in pickletools. */
const steps = new Map<number, (m: Machine) => void>([
  [0x80, (m) => checkProtocol(m.uint(1))], // PROTO
  [0x95, (m) => void m.skip(8)], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => m.discard()], // POP
  [0x31, (m) => void m.popToMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x49, (m) => m.push(wholeNumber(m.line()))], // INT
  [0x4c, (m) => m.push(wholeNumber(m.line()))], // LONG
  [0x4b, (m) => m.push(m.uint(1))], // BININT1
  [0x4d, (m) => m.push(m.uint(2))], // BININT2
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x8a, (m) => m.push(m.long(m.uint(1)))], // LONG1
  [0x8b, (m) => m.push(m.long(m.uint(4)))], // LONG4
  [0x46, (m) => m.push(Number(m.line()))], // FLOAT
  [0x47, (m) => m.push(m.float())], // BINFLOAT
  [0x53, (m) => m.push(unquoted(m.longLine()))], // STRING
  [0x56, (m) => m.push(unescaped(m.longLine()))], // UNICODE
  [0x8c, (m) => m.push(m.text(m.uint(1)))], // SHORT_BINUNICODE
  [0x58, (m) => m.push(m.text(m.uint(4)))], // BINUNICODE
  [0x8d, (m) => m.push(m.text(m.length()))], // BINUNICODE8
  [0x55, (m) => m.push(m.text(m.uint(1)))], // SHORT_BINSTRING, of Python 2
  [0x54, (m) => m.push(m.text(m.uint(4)))], // BINSTRING
  [0x43, (m) => m.push(m.binary(m.uint(1)))], // SHORT_BINBYTES
  [0x42, (m) => m.push(m.binary(m.uint(4)))], // BINBYTES
  [0x8e, (m) => m.push(m.binary(m.length()))], // BINBYTES8
  [0x96, (m) => m.push(m.binary(m.length()))], // BYTEARRAY8
  [0x97, (m) => m.push(new StandIn('a buffer outside of the pickle'))], // NEXT_BUFFER
  [0x98, () => undefined], // READONLY_BUFFER
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x64, (m) => m.dict()], // DICT
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x6c, (m) => m.push(m.popToMark())], // LIST
  [0x8f, (m) => m.push([])], // EMPTY_SET
  [0x90, (m) => m.append(m.popToMark())], // ADDITEMS
  [0x91, (m) => m.push(m.popToMark())], // FROZENSET
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x85, (m) => m.tuple(1)], // TUPLE1
  [0x86, (m) => m.tuple(2)], // TUPLE2
  [0x87, (m) => m.tuple(3)], // TUPLE3
  [0x74, (m) => m.push(m.popToMark())], // TUPLE
  [0x61, (m) => m.append([m.pop()])], // APPEND
  [0x65, (m) => m.append(m.popToMark())], // APPENDS
  [0x73, (m) => m.setItems([m.pop(), m.pop()].reverse())], // SETITEM
  [0x75, (m) => m.setItems(m.popToMark())], // SETITEMS
  [0x70, (m) => m.put(Number(m.line()))], // PUT
  [0x71, (m) => m.put(m.uint(1))], // BINPUT
  [0x72, (m) => m.put(m.uint(4))], // LONG_BINPUT
  [0x94, (m) => m.memoize()], // MEMOIZE
  [0x67, (m) => m.get(Number(m.line()))], // GET
  [0x68, (m) => m.get(m.uint(1))], // BINGET
  [0x6a, (m) => m.get(m.uint(4))], // LONG_BINGET
  [0x63, (m) => m.push(m.name(m.line(), m.line()))], // GLOBAL
  [0x93, (m) => m.stackGlobal()], // STACK_GLOBAL
  [0x82, (m) => m.push(new StandIn(`extension ${m.uint(1)}`))], // EXT1
  [0x83, (m) => m.push(new StandIn(`extension ${m.uint(2)}`))], // EXT2
  [0x84, (m) => m.push(new StandIn(`extension ${m.int32()}`))], // EXT4
  [0x52, (m) => m.reduce()], // REDUCE
  [0x81, (m) => m.reduce()], // NEWOBJ
  [0x92, (m) => { m.pop(); m.reduce(); }], // NEWOBJ_EX, whose keyword arguments are not used
  [0x69, (m) => m.call(m.name(m.line(), m.line()), m.popToMark())], // INST
  [0x6f, (m) => m.object()], // OBJ
  [0x62, (m) => m.build()], // BUILD
  [0x50, (m) => m.push(m.host.persistent(m.line()))], // PERSID
  [0x51, (m) => m.push(m.host.persistent(m.pop()))], // BINPERSID
]);

function checkProtocol(protocol: number): void {
  if (protocol <= HIGHEST_PROTOCOL) return;
  const problem = `the pickle is of protocol ${protocol}, known are those up to ${HIGHEST_PROTOCOL}`;
  throw new CheckpointFileError(problem, 'save it again with pickle_protocol=2');
}
