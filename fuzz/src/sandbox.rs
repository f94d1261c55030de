//! The targets of the sandbox's room, apart because they bring a compiler with them.

use scorehost_scorer::{Advisories, Dependency, PrivateKey, PublicKey, Signature, inspect};

/// A target: any bytes, no panic.
pub type Target = fn(&[u8]);

/// Every target by the name of its folder of seeds.
pub const TARGETS: &[(&str, Target)] =
    &[("component", component), ("signature", signature), ("advisories", advisories)];

fn component(data: &[u8]) {
    let _ = inspect(data);
}

/// A signature file, and keys in PEM.
fn signature(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(signature) = text.parse::<Signature>() {
        assert_eq!(signature.to_string().parse(), Ok(signature), "what was written is read again");
    }
    let _ = (PublicKey::from_pem(text).is_ok(), PrivateKey::from_pem(text).is_ok());
}

fn advisories(data: &[u8]) {
    let Some(list) = text(data).and_then(|text| Advisories::parse(text).ok()) else { return };
    let named = |version: &str| Dependency {
        ecosystem: "PyPI".to_owned(),
        name: "demo".to_owned(),
        version: version.to_owned(),
    };
    let _ = list.find(&["1.0", "2.0a1", "1!3.post1"].map(named));
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
