#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_component_with_its_list_is_a_component_and_the_order_does_not_count() {
    let empty = b"\0asm\x0d\0\x01\0".to_vec();
    let (a, b) = (Dependency::new("PyPI", "a", "1"), Dependency::new("npm", "b", "2"));
    let made = |list: &[&Dependency]| {
        let mut component = empty.clone();
        embed(&mut component, list.iter().map(|dependency| (*dependency).clone()).collect());
        component
    };
    assert_eq!(made(&[&a, &b, &a]), made(&[&b, &a]));
    let many: Vec<Dependency> =
        (0..50).map(|number| Dependency::new("npm", format!("package-{number}"), "1.0.0")).collect();
    let large = made(&many.iter().collect::<Vec<_>>());
    crate::component::validate(&large).unwrap();
    let sections = wasmparser::Parser::new(0).parse_all(&large).filter_map(|payload| match payload.unwrap() {
        wasmparser::Payload::CustomSection(section) => Some((section.name().to_owned(), section.data().to_vec())),
        _ => None,
    });
    let [(name, data)] = &sections.collect::<Vec<_>>()[..] else { panic!("one section expected") };
    assert_eq!(name, SECTION);
    let list: serde_json::Value = serde_json::from_slice(data).unwrap();
    assert_eq!(list["dependencies"].as_array().unwrap().len(), 50);
}

#[test]
fn tools_are_named_by_their_identity() {
    let tool = |identity: &str| Dependency::tool(identity).map(|tool| (tool.name, tool.version));
    assert_eq!(tool("rustc 1.95.0 (wasm32-unknown-unknown)"), Some(("rustc".into(), "1.95.0".into())));
    assert_eq!(tool("componentize-py 0.25.1"), Some(("componentize-py".into(), "0.25.1".into())));
    assert_eq!(tool("unknown"), None);
}

#[test]
fn python_packages_are_read_from_their_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let info = folder.path().join("some_package-1.2.dist-info");
    fs::create_dir(&info).unwrap();
    fs::write(info.join("METADATA"), "Metadata-Version: 2.4\nName: Some-Package\nVersion: 1.2\n\nName: not this\n")
        .unwrap();
    assert_eq!(of_python(folder.path()), [Dependency::new("PyPI", "Some-Package", "1.2")]);
    assert!(of_python(&folder.path().join("absent")).is_empty());
}

#[test]
fn javascript_packages_are_read_from_npms_list() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("node_modules")).unwrap();
    let list = r#"{"packages": {"node_modules/a": {"version": "1.0.0"}, "node_modules/a/node_modules/@s/b": {"version": "2.0.0"},
        "node_modules/linked": {"link": true}}}"#;
    fs::write(folder.path().join("node_modules/.package-lock.json"), list).unwrap();
    let expected = [Dependency::new("npm", "a", "1.0.0"), Dependency::new("npm", "@s/b", "2.0.0")];
    assert_eq!(of_javascript(folder.path()), expected);
}

#[test]
fn rust_packages_are_those_that_are_linked() {
    let package = |name: &str, source: &str| {
        format!(
            r#"{{"id": "{name}", "name": "{name}", "version": "1.0.0", "source": {source}, "manifest_path": "/{name}/Cargo.toml"}}"#
        )
    };
    let registry = "\"registry+https://github.com/rust-lang/crates.io-index\"";
    let packages = [
        package("mine", "null"),
        package("used", registry),
        package("deep", registry),
        package("builds", registry),
        package("other", registry),
    ];
    let edge = |to: &str, kind: &str| format!(r#"{{"pkg": "{to}", "dep_kinds": [{{"kind": {kind}}}]}}"#);
    let node = |id: &str, edges: &[String]| format!(r#"{{"id": "{id}", "deps": [{}]}}"#, edges.join(","));
    let nodes = [
        node("mine", &[edge("used", "null"), edge("builds", "\"build\"")]),
        node("used", &[edge("deep", "null"), edge("other", "\"dev\"")]),
        node("deep", &[edge("used", "null")]),
    ];
    let metadata =
        format!(r#"{{"packages": [{}], "resolve": {{"nodes": [{}]}}}}"#, packages.join(","), nodes.join(","));
    let found = of_rust(&metadata, Path::new("/mine/Cargo.toml"));
    assert_eq!(found, [Dependency::new("crates.io", "used", "1.0.0"), Dependency::new("crates.io", "deep", "1.0.0")]);
    assert!(of_rust("not JSON", Path::new("/mine/Cargo.toml")).is_empty());
}
