use super::*;

#[test]
fn host_paths_are_dropped_and_node_names_kept() {
    let check = |message: &str, expect: &str| assert_eq!(public(message), expect);
    check("/src/core/graph.cc:181 Model() bad\n version", "Model() bad version");
    check("Name:'/conv1/Conv' failed", "Name:'/conv1/Conv' failed");
    check("open file \"/home/me/weights.bin\" failed", "open file failed");
}

#[test]
fn long_messages_are_cut_at_a_character() {
    let text = public(&"é".repeat(LONGEST));
    assert!(text.len() <= LONGEST + '…'.len_utf8() && text.ends_with('…'));
}
