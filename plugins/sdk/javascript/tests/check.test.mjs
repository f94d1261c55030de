// Run: node --test plugins/sdk/javascript/tests/

import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, choice, integer, natural, naturals, text } from "../check.js";

test("what the host takes goes through as it is", () => {
  assert.equal(choice("dtype", "fp32", ["fp32", "i64"]), "fp32");
  assert.equal(natural("k", 2 ** 40), 2 ** 40);
  assert.equal(natural("k", 5n), 5);
  assert.deepEqual(naturals("the shape", new Uint32Array([2, 3])), [2, 3]);
  assert.deepEqual(naturals("the shape", []), []);
  assert.equal(integer("axis", -1), -1);
  assert.equal(text("the name", ""), "");
  assert.deepEqual(bytes("the data", new Uint8Array(2)), new Uint8Array(2));
});

test("anything else is named, with what was expected", () => {
  const refused = (call, message) => assert.throws(call, { name: "TypeError", message });
  refused(() => choice("dtype", "float32", ["fp32", "i64"]), "there is no dtype 'float32'; there are: fp32, i64");
  for (const [value, shown] of [[-1, "-1"], [0.5, "0.5"], [NaN, "NaN"], [-1n, "-1"], ["3", '"3"'], [undefined, "undefined"], [null, "null"], [2 ** 60, String(2 ** 60)]]) {
    refused(() => natural("k", value), `k must be a whole number from 0 on, not ${shown}`);
  }
  refused(() => naturals("the shape", 3), "the shape must be a list of whole numbers, not 3");
  refused(() => naturals("the shape", "12"), 'the shape must be a list of whole numbers, not "12"');
  refused(() => naturals("the shape", [2, -1]), "each of the shape must be a whole number from 0 on, not -1");
  refused(() => integer("axis", 1.5), "axis must be a whole number, not 1.5");
  refused(() => text("the name of a service", 5), "the name of a service must be a text, not 5");
  refused(() => bytes("the data", [1, 2]), "the data must be a Uint8Array, not an array");
});
