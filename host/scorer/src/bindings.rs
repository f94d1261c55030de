//! What `bindgen!` makes of the WIT packages. No logic.

pub(crate) mod services;

/// The interfaces that both worlds import, and the exports of world `scorer`.
pub(crate) mod scorer {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/scorehost-scoring@0.1.0",
        world: "scorer",
        imports: {
            "scorehost:scoring/models.[method]model.run": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "scorehost:scoring/tensors.tensor": crate::host::TensorHandle,
            "scorehost:scoring/models.model": crate::host::ModelHandle,
        },
    });
}

/// The exports of world `entry-script`; the request body is borrowed, not copied into a `Vec` first.
pub(crate) mod entry_script {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/scorehost-scoring@0.1.0",
        world: "entry-script",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
        with: {
            "scorehost:scoring/failures": super::scorer::scorehost::scoring::failures,
            "scorehost:scoring/tensors": super::scorer::scorehost::scoring::tensors,
            "scorehost:scoring/models": super::scorer::scorehost::scoring::models,
            "scorehost:scoring/context": super::scorer::scorehost::scoring::context,
            "scorehost:scoring/log": super::scorer::scorehost::scoring::log,
            "scorehost:scoring/collect": super::scorer::scorehost::scoring::collect,
        },
        require_store_data_send: true,
    });
}

/// Operations on tensors, over the same handles and failures.
pub(crate) mod operations {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/scorehost-scoring@0.1.0", "../../wit/deps/scorehost-operations@0.1.0"],
        world: "scorehost:operations/operations",
        imports: { default: async | trappable },
        with: {
            "scorehost:scoring/failures": super::scorer::scorehost::scoring::failures,
            "scorehost:scoring/tensors": super::scorer::scorehost::scoring::tensors,
        },
    });
}

/// wasi:nn, for unmodified guests.
pub(crate) mod nn {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
        world: "ml",
        imports: {
            "wasi:nn/graph.load": async | trappable,
            "wasi:nn/inference.[method]graph-execution-context.compute": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:nn/tensor.tensor": crate::host::NnTensor,
            "wasi:nn/graph.graph": crate::host::NnGraph,
            "wasi:nn/inference.graph-execution-context": crate::host::NnContext,
            "wasi:nn/errors.error": crate::host::NnError,
        },
    });
}

/// How a component wants to be called, told by its exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// World `scorer` of `scorehost:scoring`: `init`, `signature`, `run`; tensors in, tensors out.
    Scorer,
    /// World `entry-script` of `scorehost:scoring`: `init`, `describe`, `run`; a body in, a response out.
    EntryScript,
    /// A standard HTTP handler (`wasi:http/incoming-handler`): a request in, a response out, each in a fresh instance.
    HttpHandler,
    /// A command (`wasi:cli/run`): each request is one run, the body is its standard input.
    Command,
}

impl World {
    /// The world of a component with these top-level exports.
    pub(crate) fn of_exports<'a>(exports: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let exports: Vec<&str> = exports.into_iter().collect();
        let has = |name: &str| exports.contains(&name);
        if has("init") && has("run") && has("signature") {
            return Some(Self::Scorer);
        }
        if has("init") && has("run") && has("describe") {
            return Some(Self::EntryScript);
        }
        let standard = |name: &str| exports.iter().any(|export| export.starts_with(name));
        if standard("wasi:http/incoming-handler@0.2.") {
            return Some(Self::HttpHandler);
        }
        standard("wasi:cli/run@0.2.").then_some(Self::Command)
    }

    /// The world's full name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scorer => "scorehost:scoring/scorer@0.1.0",
            Self::EntryScript => "scorehost:scoring/entry-script@0.1.0",
            Self::HttpHandler => "wasi:http/proxy@0.2",
            Self::Command => "wasi:cli/command@0.2",
        }
    }
}
