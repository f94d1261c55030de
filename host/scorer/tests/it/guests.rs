//! Guests as core WebAssembly text, turned into components against the WIT packages.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Types and constants of the canonical ABI that the guests below share. Memory: a bump allocator from 64 KiB on; the
/// first page holds constants and return areas.
const PRELUDE: &str = r#"
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
    resolve.push_dir(wit("wasi-nn@0.2.0-rc-2024-10-28")).unwrap();
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
    let module = format!(
        r#"(module {imports} {PRELUDE} {extra}
          (func (export "init") (result i32) {init})
          (func (export "signature") (result i32) (i32.const 64))
          (func (export "run") (param $ptr i32) (param $len i32) (result i32) {run}))"#
    );
    encode_for(&[], "scorehost:scoring/scorer@0.1.0", &module)
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
