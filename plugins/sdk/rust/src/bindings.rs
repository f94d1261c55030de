//! Bindings of the two worlds, and of the operations that both can import; all share the first one's interfaces.

pub mod scorer {
    wit_bindgen::generate!({
        path: "wit",
        world: "scorer",
        pub_export_macro: true,
        export_macro_name: "export_scorer",
        default_bindings_module: "scorehost::export::scorer",
        generate_all,
    });
}

pub mod entry_script {
    wit_bindgen::generate!({
        path: "wit",
        world: "entry-script",
        pub_export_macro: true,
        export_macro_name: "export_entry_script",
        default_bindings_module: "scorehost::export::entry_script",
        with: {
            "scorehost:scoring/failures@0.1.0": crate::bindings::scorer::scorehost::scoring::failures,
            "scorehost:scoring/tensors@0.1.0": crate::bindings::scorer::scorehost::scoring::tensors,
            "scorehost:scoring/models@0.1.0": crate::bindings::scorer::scorehost::scoring::models,
            "scorehost:scoring/context@0.1.0": crate::bindings::scorer::scorehost::scoring::context,
            "scorehost:scoring/log@0.1.0": crate::bindings::scorer::scorehost::scoring::log,
            "scorehost:scoring/collect@0.1.0": crate::bindings::scorer::scorehost::scoring::collect,
        },
    });
}

pub mod operations {
    wit_bindgen::generate!({
        path: ["wit", "wit-operations"],
        world: "scorehost:operations/operations",
        with: {
            "scorehost:scoring/failures@0.1.0": crate::bindings::scorer::scorehost::scoring::failures,
            "scorehost:scoring/tensors@0.1.0": crate::bindings::scorer::scorehost::scoring::tensors,
        },
        generate_all,
    });
}

#[cfg(feature = "http")]
pub mod http {
    wit_bindgen::generate!({
        path: "wit-http",
        inline: "package scorehost:outbound; world outbound { import wasi:http/outgoing-handler@0.2.12; }",
        world: "scorehost:outbound/outbound",
        generate_all,
    });
}

#[cfg(feature = "services")]
pub mod services {
    wit_bindgen::generate!({
        path: ["wit", "wit-services"],
        world: "scorehost:services/caller",
        with: {
            "scorehost:scoring/failures@0.1.0": crate::bindings::scorer::scorehost::scoring::failures,
            "scorehost:scoring/tensors@0.1.0": crate::bindings::scorer::scorehost::scoring::tensors,
            "scorehost:services/services@0.1.0": generate,
        },
    });
}
