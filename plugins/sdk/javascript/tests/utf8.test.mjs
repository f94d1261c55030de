import assert from "node:assert";
import test from "node:test";

import { decode, encode } from "../utf8.js";

test("text survives the way to bytes and back", () => {
  const text = "aé€😀\u0000z".repeat(5000);
  assert.deepEqual(Buffer.from(encode(text)), Buffer.from(text));
  assert.equal(decode(Buffer.from(text)), text);
  assert.equal(decode(encode("\ud800")), "\ufffd");
});

test("exactly the bytes that are UTF-8 are accepted", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const accepts = (decoder, bytes) => {
    try {
      decoder(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff];
  for (const a of edges) for (const b of edges) for (const c of edges) for (const d of edges) {
    const bytes = Uint8Array.of(a, b, c, d);
    assert.equal(accepts(decode, bytes), accepts((bytes) => strict.decode(bytes), bytes), Buffer.from(bytes).toString("hex"));
  }
});
