// Tensors: handles to elements in the host.

import tensors from "scorehost:scoring/tensors@0.1.0";

import { bytes as checkedBytes, choice, natural, naturals } from "./check.js";
import { called } from "./errors.js";
import { encode as encodeText } from "./utf8.js";

const ARRAYS = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  u64: BigUint64Array,
  i8: Int8Array,
  i16: Int16Array,
  i32: Int32Array,
  i64: BigInt64Array,
  fp32: Float32Array,
  fp64: Float64Array,
};

export const DTYPES = [...Object.keys(ARRAYS), "fp16", "bf16", "bool", "bytes"];

/** A handle to an immutable, row-major tensor in the host. Passing it on copies nothing. */
export class Tensor {
  constructor(handle) {
    this.handle = handle;
  }

  /** Makes a tensor from numbers, bigints, booleans, or strings for dtype `bytes`; one copy into the host. */
  static fromArray(dtype, shape, values) {
    return Tensor.fromBytes(dtype, shape, encode(dtype, values));
  }

  /** Makes a tensor from bytes: row-major, little-endian; elements of dtype `bytes` each after their length as u32. */
  static fromBytes(dtype, shape, data) {
    choice("dtype", dtype, DTYPES);
    const lengths = naturals("the shape", shape);
    const content = checkedBytes("the data", data);
    return new Tensor(called(() => tensors.Tensor.create(dtype, lengths, content)));
  }

  get dtype() {
    return this.handle.dtype();
  }

  get shape() {
    return Array.from(this.handle.shape(), Number);
  }

  /** Copies all elements into a typed array; booleans and byte strings into an array. fp16 and bf16 come as their 16 bits. */
  toArray() {
    return decode(this.dtype, this.bytes());
  }

  /** Copies all bytes, in the layout of `fromBytes`. */
  bytes() {
    return Uint8Array.from(this.handle.data());
  }

  /** The same elements under another shape; no copy. */
  reshape(shape) {
    return new Tensor(called(() => this.handle.reshape(naturals("the shape", shape))));
  }

  /** Rows `start..end` of the first dimension; no copy. */
  slice(start, end) {
    return new Tensor(called(() => this.handle.slice(natural("the first row", start), natural("the last row", end))));
  }

  /** A second handle to the same elements; no copy. */
  share() {
    return new Tensor(this.handle.share());
  }
}

/** The handle of what must be a tensor. */
export function handleOf(what, tensor) {
  if (tensor instanceof Tensor) {
    return tensor.handle;
  }
  const found = Array.isArray(tensor) ? "an array" : tensor === null ? "null" : typeof tensor;
  throw new TypeError(`${what} must be a Tensor, not ${found}; Tensor.fromArray and Tensor.fromBytes make one`);
}

/** The handles of `{name: Tensor}`, as calls to the host take them. */
export function handlesOf(inputs) {
  return Object.entries(inputs ?? {}).map(([name, tensor]) => [name, handleOf(`'${name}'`, tensor)]);
}

function encode(dtype, values) {
  if (dtype === "bytes") {
    return encodeStrings(values);
  }
  if (dtype === "bool") {
    return Uint8Array.from(values, (value) => (value ? 1 : 0));
  }
  const TypedArray = ARRAYS[choice("dtype", dtype, DTYPES)];
  if (TypedArray === undefined) {
    throw new TypeError(`fromArray cannot make elements of dtype '${dtype}'; use fromBytes`);
  }
  const wide = TypedArray === BigInt64Array || TypedArray === BigUint64Array;
  const elements = values instanceof TypedArray ? values : TypedArray.from(values, wide ? BigInt : undefined);
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}

function decode(dtype, bytes) {
  if (dtype === "bytes") {
    return decodeStrings(bytes);
  }
  if (dtype === "bool") {
    return Array.from(bytes, (byte) => byte !== 0);
  }
  return new (ARRAYS[dtype] ?? Uint16Array)(bytes.buffer, bytes.byteOffset, bytes.byteLength / elementSize(dtype));
}

function elementSize(dtype) {
  return (ARRAYS[dtype] ?? Uint16Array).BYTES_PER_ELEMENT;
}

function encodeStrings(values) {
  const parts = Array.from(values, (value) => (typeof value === "string" ? encodeText(value) : value));
  const data = new Uint8Array(parts.reduce((size, part) => size + 4 + part.length, 0));
  const view = new DataView(data.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    data.set(part, at + 4);
    at += 4 + part.length;
  }
  return data;
}

function decodeStrings(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const strings = [];
  for (let at = 0; at < data.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    strings.push(data.subarray(at + 4, end));
    at = end;
  }
  return strings;
}
