#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

#[test]
fn a_configuration_is_read_as_its_json() {
    let text = r#"
        # A model.
        name: "digits"
        max_batch_size: 8
        input [ { name: "x" data_type: TYPE_FP32, dims: [ 4, -1 ] } ]
        output { name: 'y' data_type: TYPE_FP32; dims: 1 dims: 2 }
        output: < name: "z" "zz" dims: [] >
        dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 preserve_ordering: true }
        rate: 1.5e-1 other: .5f hex: 0x1F octal: 017 low: -3 t: "a\n\x41\101\u00e9\\"
        parameters: { key: "a" value: { string_value: "b" } }
    "#;
    let expected = json!({
        "name": "digits",
        "max_batch_size": 8,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4, -1]}],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1, 2]}, {"name": "zzz", "dims": []}],
        "dynamic_batching": {"preferred_batch_size": [4, 8], "max_queue_delay_microseconds": 100, "preserve_ordering": true},
        "rate": 0.15, "other": 0.5, "hex": 31, "octal": 15, "low": -3, "t": "a\nAAé\\",
        "parameters": {"key": "a", "value": {"string_value": "b"}},
    });
    assert_eq!(parse(text).unwrap(), expected);
    assert_eq!(parse(" # nothing").unwrap(), json!({}));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let deep = "a {".repeat(40);
    let rows: [(&str, &str); 15] = [
        ("a [1]", "line 1, column 5: a list of values has a ':' before it"),
        ("a", "line 1, column 2: expected ':' or a message behind 'a', found the end of the text"),
        ("a: 1\n  b = 2", "line 2, column 5: '=' does not begin anything"),
        ("a: \"x", "line 1, column 4: the text that begins here does not end on its line"),
        ("a: \"\\q\"", "line 1, column 4: this text has an escape that is none of the format's"),
        ("a: \"\\xff\"", "line 1, column 4: the escapes of this text are not UTF-8"),
        ("a: 12x", "line 1, column 4: '12x' is no number"),
        ("a: 09", "line 1, column 4: '09' is no number"),
        ("a { b: 1", "line 1, column 9: expected the name of a field, found the end of the text"),
        ("a { b: 1 >", "line 1, column 10: expected the name of a field, found '>'"),
        ("}", "line 1, column 1: expected the name of a field, found '}'"),
        ("a: [1 2]", "line 1, column 7: expected ',' or ']', found 2"),
        ("a: [1,]", "line 1, column 7: expected a value, found ']'"),
        ("[ext.name]: 1", "line 1, column 1: expected the name of a field, found '['"),
        (&deep, "line 1, column 99: messages are nested more than 32 deep"),
    ];
    for (text, expected) in rows {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
    let long = "#".repeat(300_000);
    assert!(parse(&long).unwrap_err().problem.contains("at most 262144"));
}

#[test]
fn numbers_have_their_limits() {
    assert_eq!(parse("a: 18446744073709551615").unwrap(), json!({"a": u64::MAX}));
    assert_eq!(parse("a: -9223372036854775808").unwrap(), json!({"a": i64::MIN}));
    assert!(parse("a: -9223372036854775809").is_err());
    assert!(parse("a: 1e999").is_err());
}
