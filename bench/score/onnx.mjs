// The two ONNX graphs of score.mjs, as bytes: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has the numbers of the fields.

const varint = (value) => {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
};
const integer = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, value) => Buffer.concat([varint((field << 3) | 2), varint(value.length), value]);
const text = (field, value) => bytes(field, Buffer.from(value));

const [float, int64] = [1, 7];
const tensor = (name, type, dimensions, raw) =>
  Buffer.concat([...dimensions.map((n) => integer(1, n)), integer(2, type), text(8, name), bytes(9, raw)]);
const value = (name, type, dimensions) => {
  const shape = Buffer.concat(dimensions.map((n) => bytes(1, integer(1, n))));
  return Buffer.concat([text(1, name), bytes(2, bytes(1, Buffer.concat([integer(1, type), bytes(2, shape)])))]);
};
const node = (operator, inputs, output, attributes = []) =>
  Buffer.concat([...inputs.map((name) => text(1, name)), text(2, output), text(4, operator), ...attributes.map((one) => bytes(5, one))]);
const flag = (name, number) => Buffer.concat([text(1, name), integer(3, number), integer(20, 2)]);

const raw = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

function model(nodes, inputs, output, { weight, bias, d, k }) {
  const graph = Buffer.concat([
    ...nodes.map((one) => bytes(1, one)),
    text(2, 'head'),
    bytes(5, tensor('weight', float, [k, d], raw(weight))),
    bytes(5, tensor('bias', float, [k], raw(bias))),
    ...inputs.map((one) => bytes(11, one)),
    bytes(12, output),
  ]);
  const operators = integer(2, 13); // of the default domain
  return Buffer.concat([integer(1, 8), bytes(7, graph), bytes(8, operators)]);
}

/** x d×1, id 1 → y: the logit of one class. */
export const oneClass = (head) =>
  model(
    [
      node('Gather', ['weight', 'id'], 'row'),
      node('MatMul', ['row', 'x'], 'product'),
      node('Gather', ['bias', 'id'], 'offset'),
      node('Add', ['product', 'offset'], 'y'),
    ],
    [value('x', float, [head.d, 1]), value('id', int64, [1])],
    value('y', float, [1, 1]),
    head,
  );

/** x 1×d → y 1×k: all logits, as exporters write a linear layer. */
export const allClasses = (head) =>
  model(
    [node('Gemm', ['x', 'weight', 'bias'], 'y', [flag('transB', 1)])],
    [value('x', float, [1, head.d])],
    value('y', float, [1, head.k]),
    head,
  );
