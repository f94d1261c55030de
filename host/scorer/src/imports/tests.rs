#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn what_a_scorer_may_import() {
    let check = |name: &str, expect: bool| assert_eq!(granted(name), expect, "{name}");
    check("scorehost:scoring/tensors@0.1.0", true);
    check("scorehost:scoring/tensors@0.2.0", false);
    check("scorehost:scoring/secrets@0.1.0", false);
    check("wasi:cli/environment@0.2.0", true);
    check("wasi:cli/environment@0.2.12", true);
    check("wasi:cli/environment@0.3.0", false);
    check("wasi:cli/environment@0.2.0-rc-2023-11-10", false);
    check("wasi:nn/graph@0.2.0-rc-2024-10-28", true);
    check("wasi:nn/graph@0.2.0-rc-2024-06-25", false);
    check("wasi:http/types@0.2.12", true);
    check("wasi:http/outgoing-handler@0.2.0", true);
    check("wasi:http/incoming-handler@0.2.0", false);
    check("wasi:http/handler@0.3.0", false);
    check("wasi:keyvalue/store@0.2.0", false);
    check("log", false);
}

#[test]
fn a_refusal_names_every_import() {
    let names = ["wasi:io/streams@0.2.0", "wasi:http/types@0.3.0", "acme:gadgets/pump@1.0.0", "do-it"];
    let text = check(names).unwrap_err().to_string();
    assert_eq!(
        text,
        "the component imports what this host does not grant: 'wasi:http/types@0.3.0' (offered: types and \
         outgoing-handler of wasi:http 0.2), \
         'acme:gadgets/pump@1.0.0', 'do-it'"
    );
}

#[test]
fn outgoing_http_needs_a_grant_but_in_a_standard_handler() {
    let import = "wasi:http/outgoing-handler@0.2.3".to_owned();
    let imports = vec!["wasi:http/types@0.2.3".to_owned(), import.clone()];
    let needed = needs(World::Scorer, imports.clone());
    assert_eq!(needed, [(import, Need::Outbound)]);
    let text = check_needs(&needed, &Grants::default()).unwrap_err().to_string();
    assert!(
        text.contains("'wasi:http/outgoing-handler@0.2.3'") && text.contains("scorehost.grants.outbound"),
        "{text}"
    );
    let host = scorehost_core::Outbound { host: "a.test".into(), port: None, private: false };
    check_needs(&needed, &Grants { outbound: vec![host], ..Grants::default() }).unwrap();
    assert!(needs(World::HttpHandler, imports).is_empty());
}
