// Operations that run in the host: tensors in, new tensors out, no element in the scorer's memory.

import arrays from "scorehost:operations/arrays@0.1.0";
import detection from "scorehost:operations/detection@0.1.0";
import images from "scorehost:operations/images@0.1.0";

import { bytes, choice, integer, natural, naturals } from "./check.js";
import { called } from "./errors.js";
import { DTYPES, Tensor, handleOf } from "./tensor.js";

const result = (call) => new Tensor(called(call));
const handle = (tensor) => handleOf("an operation's argument", tensor);
const handles = (tensors) => Array.from(tensors, handle);

const OPERATORS = ["add", "subtract", "multiply", "divide", "minimum", "maximum"];
const COMPARISONS = ["less", "less-equal", "greater", "greater-equal", "equal", "not-equal"];
const REDUCTIONS = ["sum", "mean", "max", "min"];
const INTERPOLATIONS = ["nearest", "bilinear", "bicubic"];
const LAYOUTS = ["channels-last", "channels-first"];
const COLORS = ["grey", "rgb", "bgr", "rgba"];
const FORMATS = ["corners", "corners-yx", "center"];

function arithmetic(operator, left, right) {
  choice("operator", operator, OPERATORS);
  if (right instanceof Tensor) {
    return result(() => arrays.arithmetic(operator, handle(left), handle(right)));
  }
  return result(() => arrays.arithmeticScalar(operator, handle(left), Number(right)));
}

const size = (height, width) => [natural("height", height), natural("width", width)];

function sampling({ interpolation = "bilinear", antialias = true, layout = "channels-last" } = {}) {
  choice("interpolation", interpolation, INTERPOLATIONS);
  return { interpolation, antialias, layout: choice("layout", layout, LAYOUTS) };
}

/** See index.d.ts for what each takes and gives. Failures are `HostError`. */
export const operations = {
  cast: (tensor, dtype) => result(() => arrays.cast(handle(tensor), choice("dtype", dtype, DTYPES))),
  transpose: (tensor, axes = []) => result(() => arrays.transpose(handle(tensor), axes)),
  sliceAxes: (tensor, ranges) => {
    const parts = ranges.map(({ start, end, step = 1 }) => ({ start, end, step }));
    return result(() => arrays.slice(handle(tensor), parts));
  },
  concat: (tensors, axis = 0) => result(() => arrays.concat(handles(tensors), integer("axis", axis))),
  stack: (tensors, axis = 0) => result(() => arrays.stack(handles(tensors), integer("axis", axis))),
  stackPadded: (tensors, shape = [], fill = 0) => result(() => arrays.stackPadded(handles(tensors), naturals("the shape", shape), fill)),
  pad: (tensor, before, after, fill = 0) => result(() => arrays.pad(handle(tensor), naturals("the margin before", before), naturals("the margin after", after), fill)),
  gather: (tensor, indices, axis = 0) => result(() => arrays.gather(handle(tensor), handle(indices), integer("axis", axis))),

  arithmetic,
  add: (left, right) => arithmetic("add", left, right),
  subtract: (left, right) => arithmetic("subtract", left, right),
  multiply: (left, right) => arithmetic("multiply", left, right),
  divide: (left, right) => arithmetic("divide", left, right),
  compare: (comparison, tensor, number) => result(() => arrays.compare(choice("comparison", comparison, COMPARISONS), handle(tensor), number)),
  clip: (tensor, minimum, maximum) => result(() => arrays.clip(handle(tensor), minimum, maximum)),

  softmax: (tensor, axis = -1) => result(() => arrays.softmax(handle(tensor), integer("axis", axis))),
  matmul: (left, right) => result(() => arrays.matmul(handle(left), handle(right))),
  reduce: (reduction, tensor, axes = [], keepDims = false) =>
    result(() => arrays.reduce(choice("reduction", reduction, REDUCTIONS), handle(tensor), axes, keepDims)),
  argmax: (tensor, axis = -1, keepDims = false) => result(() => arrays.argmax(handle(tensor), integer("axis", axis), keepDims)),
  topK: (tensor, k, axis = -1, largest = true) => {
    const [values, indices] = called(() => arrays.topK(handle(tensor), natural("k", k), integer("axis", axis), largest));
    return [new Tensor(values), new Tensor(indices)];
  },

  decode: (file, { color = "rgb", orient = true, maxPixels = 0 } = {}) => {
    const tensor = file instanceof Tensor ? file : Tensor.fromBytes("u8", [bytes("the file", file).length], file);
    return result(() => images.decode(handle(tensor), { color: choice("color", color, COLORS), orient, maxPixels }));
  },
  resize: (tensor, height, width, options) => result(() => images.resize(handle(tensor), ...size(height, width), sampling(options))),
  letterbox: (tensor, height, width, { fill = 0, center = true, ...options } = {}) => {
    const boxed = called(() => images.letterbox(handle(tensor), ...size(height, width), sampling(options), fill, center));
    return { ...boxed, image: new Tensor(boxed.image) };
  },
  cropAndResize: (tensor, boxes, height, width, options) => {
    const rectangles = boxes.map(([left, top, right, bottom]) => ({ left, top, right, bottom }));
    return result(() => images.cropAndResize(handle(tensor), rectangles, ...size(height, width), sampling(options)));
  },
  cropQuad: (tensor, corners, height, width, interpolation = "bicubic") => {
    const points = corners.map(([x, y]) => ({ x, y }));
    return result(() => images.cropQuad(handle(tensor), points, ...size(height, width), choice("interpolation", interpolation, INTERPOLATIONS)));
  },
  warpPerspective: (tensor, matrix, height, width, { interpolation = "bilinear", fill } = {}) =>
    result(() => images.warpPerspective(handle(tensor), Float64Array.from(matrix), ...size(height, width), interpolation, fill)),
  normalize: (tensor, { scale = 1 / 255, mean = [], std = [], from = "channels-last", to = "channels-first", reverse = false } = {}) => {
    const numbers = (values) => Float32Array.from(typeof values === "number" ? [values] : values);
    choice("layout", from, LAYOUTS);
    choice("layout", to, LAYOUTS);
    const wanted = { scale, mean: numbers(mean), std: numbers(std), from, to, reverse };
    return result(() => images.normalize(handle(tensor), wanted));
  },

  nonMaxSuppression: (boxes, scores, { classes, iouThreshold = 0.5, scoreThreshold = 0, maxBoxes = 0, format = "corners" } = {}) => {
    const wanted = { iouThreshold, scoreThreshold, maxBoxes, format: choice("format", format, FORMATS) };
    return result(() => detection.nonMaxSuppression(handle(boxes), handle(scores), classes && handle(classes), wanted));
  },
};
