//! What stays F32 where a deployment asks for a narrower type.

use scorehost_core::Precision;
use scorehost_plan::launch::Work;

use super::{model, planned};

/// Sources of the elementwise kernels of a plan.
fn elementwise(name: &str, shapes: &[&[u64]], precision: Precision) -> Vec<String> {
    let Some(model) = model(name) else { return Vec::new() };
    let launches = planned(&model, shapes, 90, precision).launches;
    let source = |work: Work| match work {
        Work::Kernel { kernel, .. } if kernel.entry == "elementwise" => Some(kernel.source.to_string()),
        _ => None,
    };
    launches.into_iter().filter_map(|launch| source(launch.work)).collect()
}

#[test]
fn scales_and_offsets_are_read_in_full_by_kernels_that_store_narrow_values() {
    for (precision, stored) in [(Precision::F16, "f16"), (Precision::BF16, "bf16")] {
        let sources = elementwise("ppocr_rec.onnx", &[&[2, 3, 48, 320]], precision);
        let (narrow, reads) = (format!("{stored}* __restrict__ y"), format!("const {stored}* __restrict__ x"));
        let mixed = |source: &&String| {
            source.contains(&narrow) && source.contains(&reads) && source.contains("const f32* __restrict__ x")
        };
        let mixed: Vec<&String> = sources.iter().filter(mixed).collect();
        assert!(sources.is_empty() || !mixed.is_empty(), "{stored}");
        // Values keep their accesses of 16 bytes beside a full constant.
        let wide = |source: &&String| {
            source.contains("alignas(sizeof(T) * 8)") && source.contains(&format!("const Pack<{stored}> p"))
        };
        assert!(sources.is_empty() || mixed.into_iter().any(|source| wide(&source)), "{stored}");
    }
}
