//! `scorehost:services`, which a component may import beside the interfaces of its world.

wasmtime::component::bindgen!({
    path: ["../../wit/deps/scorehost-scoring@0.1.0", "../../wit/deps/scorehost-services@0.1.0"],
    world: "scorehost:services/caller",
    imports: {
        "scorehost:services/services.granted": trappable,
        default: async | trappable,
    },
    with: {
        "scorehost:scoring/failures": super::scorer::scorehost::scoring::failures,
        "scorehost:scoring/tensors": super::scorer::scorehost::scoring::tensors,
    },
    require_store_data_send: true,
});
