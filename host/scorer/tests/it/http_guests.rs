//! Guests that call other servers, and standard HTTP handlers.

use crate::guests::{PRELUDE, encode_for};

const WORLDS: &str = r"
package test:http;

world caller {
  include scorehost:scoring/entry-script@0.1.0;
  import wasi:http/outgoing-handler@0.2.12;
}
world handler {
  include wasi:http/proxy@0.2.12;
}
";

const TYPES: &str = r#"
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $stream (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))"#;

/// An entry script that sends `GET /there` to the authority in its body, over http, or over https where there is a query. It
/// answers with the response's first bytes; or with one byte: the code of the error plus 100, or 99 where the body broke off.
pub(crate) fn caller() -> Vec<u8> {
    let module = format!(
        r#"(module {TYPES}
          (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
          (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-scheme"
            (func $scheme (param i32 i32 i32 i32 i32) (result i32)))
          (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority"
            (func $authority (param i32 i32 i32 i32) (result i32)))
          (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query"
            (func $path (param i32 i32 i32 i32) (result i32)))
          (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $handle (param i32 i32 i32 i32)))
          (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
          (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get" (func $get (param i32 i32)))
          (import "wasi:http/types@0.2.12" "[method]incoming-response.consume" (func $consume (param i32 i32)))
          (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
          {PRELUDE}
          (data (i32.const 512) "/there")
          (func (export "init") (result i32) (i32.const 96))
          (func (export "describe") (result i32) (i32.const 608))
          (func (export "run") (param i32 i32 i32) (param $query i32) (param $body i32) (param $length i32) (result i32)
            (local $sent i32) (local $p i32) (local $n i32)
            (local.set $sent (call $request (call $fields)))
            (drop (call $scheme (local.get $sent) (i32.const 1) (i32.ne (local.get $query) (i32.const 0)) (i32.const 0) (i32.const 0)))
            (drop (call $authority (local.get $sent) (i32.const 1) (local.get $body) (local.get $length)))
            (drop (call $path (local.get $sent) (i32.const 1) (i32.const 512) (i32.const 6)))
            (call $handle (local.get $sent) (i32.const 0) (i32.const 0) (i32.const 160))
            (local.set $p (i32.const 700))
            (local.set $n (i32.const 1))
            (block $done
              (if (i32.load8_u (i32.const 160)) (then
                (i32.store8 (i32.const 700) (i32.add (i32.load8_u (i32.const 168)) (i32.const 100)))
                (br $done)))
              (local.set $sent (i32.load (i32.const 168)))
              (call $block (call $subscribe (local.get $sent)))
              (call $get (local.get $sent) (i32.const 200))
              (if (i32.load8_u (i32.const 216)) (then
                (i32.store8 (i32.const 700) (i32.add (i32.load8_u (i32.const 224)) (i32.const 100)))
                (br $done)))
              (call $consume (i32.load (i32.const 224)) (i32.const 260))
              (call $stream (i32.load (i32.const 264)) (i32.const 272))
              (call $read (i32.load (i32.const 276)) (i64.const 1000) (i32.const 280))
              (i32.store8 (i32.const 700) (i32.const 99))
              (br_if $done (i32.load8_u (i32.const 280)))
              (local.set $p (i32.load (i32.const 284)))
              (local.set $n (i32.load (i32.const 288))))
            (i32.store (i32.const 128) (i32.const 0))
            (i32.store16 (i32.const 132) (i32.const 200))
            (i32.store (i32.const 136) (i32.const 0))
            (i32.store (i32.const 140) (i32.const 0))
            (i32.store (i32.const 144) (local.get $p))
            (i32.store (i32.const 148) (local.get $n))
            (i32.const 128)))"#
    );
    encode_for(&[WORLDS], "test:http/caller", &module)
}

/// A standard handler that answers 207 with its path and query. `/t` traps, `/n` does not answer, `/l` loops for ever, `/b`
/// answers with the request's body.
pub(crate) fn handler() -> Vec<u8> {
    let module = format!(
        r#"(module {TYPES}
          (import "wasi:http/types@0.2.12" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
          (import "wasi:http/types@0.2.12" "[method]incoming-request.consume" (func $consume (param i32 i32)))
          (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
          (import "wasi:http/types@0.2.12" "[method]outgoing-response.set-status-code" (func $status (param i32 i32) (result i32)))
          (import "wasi:http/types@0.2.12" "[method]outgoing-response.body" (func $body (param i32 i32)))
          (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
            (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
          (import "wasi:http/types@0.2.12" "[method]outgoing-body.write" (func $write (param i32 i32)))
          (import "wasi:http/types@0.2.12" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
          (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $flush (param i32 i32 i32 i32)))
          (import "wasi:io/streams@0.2.12" "[resource-drop]output-stream" (func $close (param i32)))
          {PRELUDE}
          (global $seen (mut i32) (i32.const 0))
          (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
            (local $mode i32) (local $made i32) (local $p i32) (local $n i32)
            ;; A fresh instance per request: the second request of an instance would trap.
            (if (global.get $seen) (then unreachable))
            (global.set $seen (i32.const 1))
            (call $path (local.get $request) (i32.const 160))
            (local.set $p (i32.load (i32.const 164)))
            (local.set $n (i32.load (i32.const 168)))
            (if (i32.gt_u (local.get $n) (i32.const 1)) (then
              (local.set $mode (i32.load8_u offset=1 (local.get $p)))))
            (if (i32.eq (local.get $mode) (i32.const 116)) (then unreachable))
            (if (i32.eq (local.get $mode) (i32.const 110)) (then (return)))
            (if (i32.eq (local.get $mode) (i32.const 108)) (then (loop $again (br $again))))
            (if (i32.eq (local.get $mode) (i32.const 98)) (then
              (call $consume (local.get $request) (i32.const 180))
              (call $stream (i32.load (i32.const 184)) (i32.const 188))
              (call $read (i32.load (i32.const 192)) (i64.const 65536) (i32.const 200))
              (local.set $p (i32.load (i32.const 204)))
              (local.set $n (i32.load (i32.const 208)))))
            (local.set $made (call $response (call $fields)))
            (drop (call $status (local.get $made) (i32.const 207)))
            (call $body (local.get $made) (i32.const 220))
            (call $set (local.get $out) (i32.const 0) (local.get $made) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0)
              (i32.const 0) (i32.const 0))
            (call $write (i32.load (i32.const 224)) (i32.const 228))
            (call $flush (i32.load (i32.const 232)) (local.get $p) (local.get $n) (i32.const 240))
            (call $close (i32.load (i32.const 232)))
            (call $finish (i32.load (i32.const 224)) (i32.const 0) (i32.const 0) (i32.const 320))))"#
    );
    encode_for(&[WORLDS], "test:http/handler", &module)
}
