// Operations that run in the host: tensors in, new tensors out, no element in the scorer's memory.

import arrays from "scorehost:operations/arrays@0.1.0";
import detection from "scorehost:operations/detection@0.1.0";
import images from "scorehost:operations/images@0.1.0";

import { called } from "./errors.js";
import { Tensor } from "./tensor.js";

const result = (call) => new Tensor(called(call));
const handles = (tensors) => Array.from(tensors, (tensor) => tensor.handle);

function arithmetic(operator, left, right) {
  if (right instanceof Tensor) {
    return result(() => arrays.arithmetic(operator, left.handle, right.handle));
  }
  return result(() => arrays.arithmeticScalar(operator, left.handle, Number(right)));
}

function sampling({ interpolation = "bilinear", antialias = true, layout = "channels-last" } = {}) {
  return { interpolation, antialias, layout };
}

/** See index.d.ts for what each takes and gives. Failures are `HostError`. */
export const operations = {
  cast: (tensor, dtype) => result(() => arrays.cast(tensor.handle, dtype)),
  transpose: (tensor, axes = []) => result(() => arrays.transpose(tensor.handle, axes)),
  sliceAxes: (tensor, ranges) => {
    const parts = ranges.map(({ start, end, step = 1 }) => ({ start, end, step }));
    return result(() => arrays.slice(tensor.handle, parts));
  },
  concat: (tensors, axis = 0) => result(() => arrays.concat(handles(tensors), axis)),
  stack: (tensors, axis = 0) => result(() => arrays.stack(handles(tensors), axis)),
  stackPadded: (tensors, shape = [], fill = 0) => result(() => arrays.stackPadded(handles(tensors), lengths(shape), fill)),
  pad: (tensor, before, after, fill = 0) => result(() => arrays.pad(tensor.handle, lengths(before), lengths(after), fill)),
  gather: (tensor, indices, axis = 0) => result(() => arrays.gather(tensor.handle, indices.handle, axis)),

  arithmetic,
  add: (left, right) => arithmetic("add", left, right),
  subtract: (left, right) => arithmetic("subtract", left, right),
  multiply: (left, right) => arithmetic("multiply", left, right),
  divide: (left, right) => arithmetic("divide", left, right),
  compare: (comparison, tensor, number) => result(() => arrays.compare(comparison, tensor.handle, number)),
  clip: (tensor, minimum, maximum) => result(() => arrays.clip(tensor.handle, minimum, maximum)),

  softmax: (tensor, axis = -1) => result(() => arrays.softmax(tensor.handle, axis)),
  matmul: (left, right) => result(() => arrays.matmul(left.handle, right.handle)),
  reduce: (reduction, tensor, axes = [], keepDims = false) =>
    result(() => arrays.reduce(reduction, tensor.handle, axes, keepDims)),
  argmax: (tensor, axis = -1, keepDims = false) => result(() => arrays.argmax(tensor.handle, axis, keepDims)),
  topK: (tensor, k, axis = -1, largest = true) => {
    const [values, indices] = called(() => arrays.topK(tensor.handle, k, axis, largest));
    return [new Tensor(values), new Tensor(indices)];
  },

  decode: (file, { color = "rgb", orient = true, maxPixels = 0 } = {}) => {
    const tensor = file instanceof Tensor ? file : Tensor.fromBytes("u8", [file.length], file);
    return result(() => images.decode(tensor.handle, { color, orient, maxPixels }));
  },
  resize: (tensor, height, width, options) => result(() => images.resize(tensor.handle, height, width, sampling(options))),
  letterbox: (tensor, height, width, { fill = 0, center = true, ...options } = {}) => {
    const boxed = called(() => images.letterbox(tensor.handle, height, width, sampling(options), fill, center));
    return { ...boxed, image: new Tensor(boxed.image) };
  },
  cropAndResize: (tensor, boxes, height, width, options) => {
    const rectangles = boxes.map(([left, top, right, bottom]) => ({ left, top, right, bottom }));
    return result(() => images.cropAndResize(tensor.handle, rectangles, height, width, sampling(options)));
  },
  cropQuad: (tensor, corners, height, width, interpolation = "bicubic") => {
    const points = corners.map(([x, y]) => ({ x, y }));
    return result(() => images.cropQuad(tensor.handle, points, height, width, interpolation));
  },
  warpPerspective: (tensor, matrix, height, width, { interpolation = "bilinear", fill } = {}) =>
    result(() => images.warpPerspective(tensor.handle, Float64Array.from(matrix), height, width, interpolation, fill)),
  normalize: (tensor, { scale = 1 / 255, mean = [], std = [], from = "channels-last", to = "channels-first", reverse = false } = {}) => {
    const numbers = (values) => Float32Array.from(typeof values === "number" ? [values] : values);
    const wanted = { scale, mean: numbers(mean), std: numbers(std), from, to, reverse };
    return result(() => images.normalize(tensor.handle, wanted));
  },

  nonMaxSuppression: (boxes, scores, { classes, iouThreshold = 0.5, scoreThreshold = 0, maxBoxes = 0, format = "corners" } = {}) => {
    const wanted = { iouThreshold, scoreThreshold, maxBoxes, format };
    return result(() => detection.nonMaxSuppression(boxes.handle, scores.handle, classes?.handle, wanted));
  },
};

function lengths(shape) {
  return Array.from(shape, Number);
}
