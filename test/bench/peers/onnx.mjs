/** Writes the parts of an ONNX file that a graph of single operations needs (protocol buffers by hand). */
const text = new TextEncoder();

function varint(value) {
  let n = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  do {
    const low = Number(n & 0x7fn);
    n >>= 7n;
    bytes.push(n ? low | 0x80 : low);
  } while (n);
  return bytes;
}
const key = (field, wire) => varint((field << 3) | wire);
const integer = (field, value) => [...key(field, 0), ...varint(value)];
/** A field of bytes; large weights are not spread over arguments. */
const nested = (field, bytes) => [...key(field, 2), ...varint(bytes.length), ...bytes];
const string = (field, value) => nested(field, text.encode(value));
const float = (field, value) => [...key(field, 5), ...new Uint8Array(Float32Array.of(value).buffer)];

function attribute([name, value]) {
  if (typeof value === 'object' && 'f' in value) return nested(5, [...string(1, name), ...float(2, value.f), ...integer(20, 1)]);
  if (Array.isArray(value)) return nested(5, [...string(1, name), ...value.flatMap((v) => integer(8, v)), ...integer(20, 7)]);
  return nested(5, [...string(1, name), ...integer(3, value), ...integer(20, 2)]);
}

const node = ({ op, in: from, out, attr = {}, domain }) => nested(1, [
  ...from.flatMap((name) => string(1, name)), ...out.flatMap((name) => string(2, name)), ...string(3, out[0]), ...string(4, op),
  ...Object.entries(attr).flatMap(attribute), ...(domain ? string(7, domain) : []),
]);
const dimension = (size) => nested(1, integer(1, size));
const floats = (shape) => nested(1, [...integer(1, 1), ...nested(2, shape.flatMap(dimension))]);
const value = (field, [name, shape]) => nested(field, [...string(1, name), ...nested(2, floats(shape))]);
/** Floats, or whole numbers for shapes. */
const initial = ([name, shape, data]) => nested(5, [
  ...shape.flatMap((size) => integer(1, size)), ...integer(2, data instanceof BigInt64Array ? 7 : 1), ...string(8, name),
  ...nested(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
]);

/** A model of opset 18, with the operators of Microsoft if `ms` is set. */
export function model({ nodes, inputs, outputs, inits = [], ms = false }) {
  const graph = [
    ...nodes.flatMap(node), ...string(2, 'graph'), ...inits.flatMap(initial),
    ...inputs.flatMap((v) => value(11, v)), ...outputs.flatMap((v) => value(12, v)),
  ];
  const opsets = [integer(2, 18), ...(ms ? [[...string(1, 'com.microsoft'), ...integer(2, 1)]] : [])];
  return Uint8Array.from([
    ...integer(1, 9), ...string(2, 'peers'), ...nested(7, graph), ...opsets.flatMap((opset) => nested(8, opset)),
  ]);
}
