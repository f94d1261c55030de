//! Guests as core WebAssembly text, turned into components against the WIT packages.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Types and constants of the canonical ABI that the guests below share. Memory: a bump allocator from 64 KiB on; the
/// first page holds constants and return areas.
pub(crate) const PRELUDE: &str = r#"
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 16) "x")
  ;; -1: the shape of the one input and the one output
  (data (i32.const 24) "\ff\ff\ff\ff\ff\ff\ff\ff")
  ;; tensor-spec { name "x", dtype 11 = fp32, shape [-1] }
  (data (i32.const 32) "\10\00\00\00\01\00\00\00\0b\00\00\00\18\00\00\00\01\00\00\00")
  ;; signature: one input and one output of that spec
  (data (i32.const 64) "\20\00\00\00\01\00\00\00\20\00\00\00\01\00\00\00")
  ;; result::ok(())
  (data (i32.const 96) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
"#;

/// Encodes a core module as a component for `world` of the WIT text or of the scoring package.
pub(crate) fn encode(resolve: &Resolve, world: wit_parser::WorldId, module: &str) -> Vec<u8> {
    let mut core = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut core, resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().validate(true).module(&core).unwrap().encode().unwrap()
}

fn wit(package: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/deps").join(package)
}

/// The scoring package and more WIT text.
pub(crate) fn resolve(extra: &[&str]) -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(wit("scorehost-scoring@0.1.0")).unwrap();
    resolve.push_dir(wit("scorehost-operations@0.1.0")).unwrap();
    resolve.push_dir(wit("wasi-nn@0.2.0-rc-2024-10-28")).unwrap();
    resolve.push_dir(wit("wasi-http@0.2.12")).unwrap();
    for text in extra {
        resolve.push_str("extra.wit", text).unwrap();
    }
    resolve
}

/// Encodes for a world given by its full name.
pub(crate) fn encode_for(extra: &[&str], world: &str, module: &str) -> Vec<u8> {
    let resolve = resolve(extra);
    let found = resolve.worlds.iter().find(|(id, _)| resolve.canonicalized_id_of_world(*id) == world);
    let (id, _) = found.unwrap_or_else(|| panic!("no world {world}"));
    encode(&resolve, id, module)
}

trait WorldName {
    fn canonicalized_id_of_world(&self, id: wit_parser::WorldId) -> String;
}

impl WorldName for Resolve {
    fn canonicalized_id_of_world(&self, id: wit_parser::WorldId) -> String {
        let world = &self.worlds[id];
        self.id_of_name(world.package.unwrap(), &world.name)
    }
}

/// A guest of world `scorer` with one FP32 `[-1]` input and output `x`. `imports` go first, `init` and `run` are function
/// bodies; `run` has the parameters `$ptr` and `$len` of its input list.
pub(crate) fn scorer_with(imports: &str, extra: &str, init: &str, run: &str) -> Vec<u8> {
    scorer_of("scorehost:scoring/scorer@0.1.0", imports, extra, init, run)
}

/// The same for a world that includes world `scorer`.
pub(crate) fn scorer_of(world: &str, imports: &str, extra: &str, init: &str, run: &str) -> Vec<u8> {
    let module = format!(
        r#"(module {imports} {PRELUDE} {extra}
          (func (export "init") (result i32) {init})
          (func (export "signature") (result i32) (i32.const 64))
          (func (export "run") (param $ptr i32) (param $len i32) (result i32) {run}))"#
    );
    encode_for(&[], world, &module)
}

/// `result::ok` of the list that came in.
pub(crate) const GIVE_BACK: &str = r#"
  (global.set $next (i32.const 65536))
  (i32.store (i32.const 128) (i32.const 0))
  (i32.store (i32.const 132) (local.get $ptr))
  (i32.store (i32.const 136) (local.get $len))
  (i32.const 128)"#;

/// `result::ok(())`.
pub(crate) const FINE: &str = "(i32.const 96)";

/// Returns its inputs.
pub(crate) fn identity() -> Vec<u8> {
    scorer_with("", "", FINE, GIVE_BACK)
}

/// Runs `body` in `run` with log at hand; the message `oops` is at 512, the level error is 4.
pub(crate) fn scorer(extra: &str, run: &str) -> Vec<u8> {
    let imports = r#"(import "scorehost:scoring/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
    let extra = format!(r#"(data (i32.const 512) "panicked at here:\0aoops") {extra}"#);
    scorer_with(imports, &extra, FINE, run)
}

/// A guest of world `entry-script` that answers 200 with the request's body.
pub(crate) fn echo() -> Vec<u8> {
    let module = format!(
        r#"(module {PRELUDE}
          ;; description: raw-http false, input schema some("{{}}"), no output schema
          (data (i32.const 600) "{{}}")
          (data (i32.const 608) "\00\00\00\00\01\00\00\00\58\02\00\00\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
          (func (export "init") (result i32) (i32.const 96))
          (func (export "describe") (result i32) (i32.const 608))
          (func (export "run") (param $method i32) (param i32) (param $query i32) (param i32)
                               (param $body i32) (param $length i32) (result i32)
            (global.set $next (i32.const 65536))
            (i32.store (i32.const 128) (i32.const 0))
            (i32.store16 (i32.const 132) (i32.const 200))
            (i32.store (i32.const 136) (i32.const 0))
            (i32.store (i32.const 140) (i32.const 0))
            (i32.store (i32.const 144) (local.get $body))
            (i32.store (i32.const 148) (local.get $length))
            (i32.const 128)))"#
    );
    encode_for(&[], "scorehost:scoring/entry-script@0.1.0", &module)
}

/// Cut-down WASI packages: as much of each interface as the guests here call.
pub(crate) const WASI: &str = r"
package test:guests;

world script {
  include scorehost:scoring/entry-script@0.1.0;
  import wasi:clocks/wall-clock@0.2.0;
  import wasi:clocks/monotonic-clock@0.2.0;
  import wasi:random/random@0.2.0;
  import wasi:cli/environment@0.2.0;
  import wasi:cli/stdout@0.2.0;
  import wasi:cli/exit@0.2.0;
  import wasi:io/streams@0.2.0;
}
world command {
  import wasi:cli/stdin@0.2.0;
  import wasi:cli/stdout@0.2.0;
  import wasi:cli/exit@0.2.0;
  import wasi:io/streams@0.2.0;
  export wasi:cli/run@0.2.0;
}
world neural {
  include scorehost:scoring/scorer@0.1.0;
  import wasi:nn/tensor@0.2.0-rc-2024-10-28;
  import wasi:nn/graph@0.2.0-rc-2024-10-28;
  import wasi:nn/inference@0.2.0-rc-2024-10-28;
  import wasi:nn/errors@0.2.0-rc-2024-10-28;
}
world greedy {
  include scorehost:scoring/entry-script@0.1.0;
  import acme:gadgets/pump@1.0.0;
  import wasi:http/outgoing-handler@0.2.0;
}

package acme:gadgets@1.0.0 {
  interface pump { go: func(); }
}
package wasi:http@0.2.0 {
  interface outgoing-handler { handle: func(); }
}
package wasi:clocks@0.2.0 {
  interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
  interface monotonic-clock { type instant = u64; now: func() -> instant; }
}
package wasi:random@0.2.0 {
  interface random { get-random-u64: func() -> u64; }
}
package wasi:io@0.2.0 {
  interface error { resource error; }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource input-stream { blocking-read: func(len: u64) -> result<list<u8>, stream-error>; }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
  }
}
package wasi:cli@0.2.0 {
  interface environment { get-environment: func() -> list<tuple<string, string>>; }
  interface stdin { use wasi:io/streams@0.2.0.{input-stream}; get-stdin: func() -> input-stream; }
  interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
  interface exit { exit: func(status: result); }
  interface run { run: func() -> result; }
}
";

/// A guest of world `entry-script` that answers with the bytes `$p..$p+$n`, which `body` sets.
pub(crate) fn script(world: &str, imports: &str, body: &str) -> Vec<u8> {
    let module = format!(
        r#"(module {imports} {PRELUDE}
          (data (i32.const 512) "x-colour") (data (i32.const 528) "COLOUR") (data (i32.const 544) "one\0atwo")
          (func (export "init") (result i32) (i32.const 96))
          (func (export "describe") (result i32) (i32.const 608))
          (func (export "run") (param i32 i32 i32 i32) (param $body i32) (param $length i32) (result i32)
            (local $p i32) (local $n i32) (local $i i32)
            {body}
            (i32.store (i32.const 128) (i32.const 0))
            (i32.store16 (i32.const 132) (i32.const 200))
            (i32.store (i32.const 136) (i32.const 0))
            (i32.store (i32.const 140) (i32.const 0))
            (i32.store (i32.const 144) (local.get $p))
            (i32.store (i32.const 148) (local.get $n))
            (i32.const 128)))"#
    );
    encode_for(&[WASI], world, &module)
}

/// World of [`script`] guests without WASI.
pub(crate) const PLAIN: &str = "scorehost:scoring/entry-script@0.1.0";
/// World of [`script`] guests with WASI.
pub(crate) const WITH_WASI: &str = "test:guests/script";

/// A command that prints its standard input, or exits with an error where the input is `no`.
pub(crate) fn command() -> Vec<u8> {
    let module = format!(
        r#"(module
          (import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
          (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
          (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
          (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
          (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
            (func $write (param i32 i32 i32 i32)))
          {PRELUDE}
          (func (export "wasi:cli/run@0.2.0#run") (result i32)
            (call $read (call $stdin) (i64.const 1000) (i32.const 128))
            (if (i32.eq (i32.load8_u (i32.load (i32.const 132))) (i32.const 110)) (then (call $exit (i32.const 1))))
            (call $write (call $stdout) (i32.load (i32.const 132)) (i32.load (i32.const 136)) (i32.const 160))
            (i32.const 0)))"#
    );
    encode_for(&[WASI], "test:guests/command", &module)
}

/// A guest of world `scorer` that runs model `twice` on its input and returns the answer as `x`.
pub(crate) fn calls_model(input_name: &str) -> Vec<u8> {
    calls_model_and(input_name, "")
}

/// The same, and copies the answer's elements into its memory before it returns it.
pub(crate) fn reads_model() -> Vec<u8> {
    calls_model_and("x", "(call $data (i32.load offset=8 (local.get $list)) (i32.const 192))")
}

fn calls_model_and(input_name: &str, then: &str) -> Vec<u8> {
    let imports = r#"
      (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.data" (func $data (param i32 i32)))
      (import "scorehost:scoring/models@0.1.0" "[static]model.open" (func $open (param i32 i32 i32)))
      (import "scorehost:scoring/models@0.1.0" "[method]model.run" (func $run (param i32 i32 i32 i32 i32 i32)))
      (import "scorehost:scoring/tensors@0.1.0" "[resource-drop]tensor" (func $drop (param i32)))"#;
    let extra = format!(
        r#"(data (i32.const 512) "twice") (data (i32.const 520) "{input_name}") (global $model (mut i32) (i32.const 0))"#
    );
    let init = r"(call $open (i32.const 512) (i32.const 5) (i32.const 160))
      (global.set $model (i32.load (i32.const 164)))
      (i32.const 96)";
    let run = format!(
        r"(local $list i32)
      (i32.store (local.get $ptr) (i32.const 520))
      (call $run (global.get $model) (local.get $ptr) (local.get $len) (i32.const 0) (i32.const 0) (i32.const 160))
      (call $drop (i32.load offset=8 (local.get $ptr)))
      (if (i32.eqz (i32.load8_u (i32.const 160))) (then
        (local.set $list (i32.load (i32.const 164)))
        (i32.store (local.get $list) (i32.const 16))
        {then}))
      (global.set $next (i32.const 65536))
      (i32.const 160)"
    );
    scorer_with(imports, &extra, init, &run)
}

/// A guest of world `scorer` that computes through wasi:nn: loads by name, or loads the bytes `onnx` with an encoding.
pub(crate) fn neural(load: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
          (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.data" (func $data (param i32 i32)))
          (import "scorehost:scoring/tensors@0.1.0" "[static]tensor.create" (func $create (param i32 i32 i32 i32 i32 i32)))
          (import "scorehost:scoring/tensors@0.1.0" "[resource-drop]tensor" (func $drop (param i32)))
          (import "wasi:nn/tensor@0.2.0-rc-2024-10-28" "[constructor]tensor" (func $tensor (param i32 i32 i32 i32 i32) (result i32)))
          (import "wasi:nn/tensor@0.2.0-rc-2024-10-28" "[method]tensor.data" (func $elements (param i32 i32)))
          (import "wasi:nn/graph@0.2.0-rc-2024-10-28" "load" (func $load (param i32 i32 i32 i32 i32)))
          (import "wasi:nn/graph@0.2.0-rc-2024-10-28" "load-by-name" (func $by_name (param i32 i32 i32)))
          (import "wasi:nn/graph@0.2.0-rc-2024-10-28" "[method]graph.init-execution-context" (func $context (param i32 i32)))
          (import "wasi:nn/inference@0.2.0-rc-2024-10-28" "[method]graph-execution-context.compute"
            (func $compute (param i32 i32 i32 i32)))
          (import "wasi:nn/errors@0.2.0-rc-2024-10-28" "[method]error.data" (func $why (param i32 i32)))
          {PRELUDE}
          (data (i32.const 512) "twice") (data (i32.const 520) "onnx") (data (i32.const 528) "\08\02\00\00\04\00\00\00")
          (func (export "init") (result i32) (i32.const 96))
          (func (export "signature") (result i32) (i32.const 64))
          ;; result::err of the wasi:nn error whose handle is given
          (func $fail (param $error i32) (result i32)
            (call $why (local.get $error) (i32.const 136))
            (i32.store (i32.const 128) (i32.const 1))
            (i32.store (i32.const 132) (i32.const 0))
            (i32.const 128))
          (func (export "run") (param $ptr i32) (param $len i32) (result i32)
            (call $data (i32.load offset=8 (local.get $ptr)) (i32.const 160))
            (i32.store (i32.const 176) (i32.div_u (i32.load (i32.const 164)) (i32.const 4)))
            {load}
            (if (i32.load8_u (i32.const 192)) (then (return (call $fail (i32.load (i32.const 196))))))
            (call $context (i32.load (i32.const 196)) (i32.const 208))
            ;; the input list: name "x", tensor of the same bytes
            (i32.store (i32.const 224) (i32.const 16))
            (i32.store (i32.const 228) (i32.const 1))
            (i32.store (i32.const 232) (call $tensor (i32.const 176) (i32.const 1) (i32.const 1)
              (i32.load (i32.const 160)) (i32.load (i32.const 164))))
            (call $compute (i32.load (i32.const 212)) (i32.const 224) (i32.const 1) (i32.const 240))
            (if (i32.load8_u (i32.const 240)) (then (return (call $fail (i32.load (i32.const 244))))))
            (call $elements (i32.load offset=8 (i32.load (i32.const 244))) (i32.const 256))
            (i64.store (i32.const 272) (i64.extend_i32_u (i32.load (i32.const 176))))
            (call $create (i32.const 11) (i32.const 272) (i32.const 1) (i32.load (i32.const 256)) (i32.load (i32.const 260))
              (i32.const 288))
            (call $drop (i32.load offset=8 (local.get $ptr)))
            (i32.store offset=8 (local.get $ptr) (i32.load (i32.const 292)))
            (i32.store (i32.const 128) (i32.const 0))
            (i32.store (i32.const 132) (local.get $ptr))
            (i32.store (i32.const 136) (i32.const 1))
            (i32.const 128)))"#
    );
    encode_for(&[WASI], "test:guests/neural", &module)
}

/// A component whose imports no grant covers.
pub(crate) fn greedy() -> Vec<u8> {
    let imports =
        r#"(import "acme:gadgets/pump@1.0.0" "go" (func)) (import "wasi:http/outgoing-handler@0.2.0" "handle" (func))"#;
    script("test:guests/greedy", imports, "")
}
