use super::*;

#[test]
fn the_words_are_the_panic_or_the_last_error_line() {
    let check = |lines: &[&str], expect: Option<&str>| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(words(&lines).as_deref(), expect);
    };
    check(&[], None);
    check(&["", "  "], None);
    check(&["Traceback (most recent call last):", "ValueError: no digits", ""], Some("ValueError: no digits"));
    check(
        &[
            "loading",
            "thread '<unnamed>' panicked at src/lib.rs:3:5:",
            "boom",
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        ],
        Some("thread '<unnamed>' panicked at src/lib.rs:3:5: boom"),
    );
    check(&[&"é".repeat(1000)], Some(&"é".repeat(MAX_WORDS)));
}
