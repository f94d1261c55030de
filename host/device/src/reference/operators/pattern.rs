//! Texts and regular expressions.

use bytes::Bytes;
use regex_automata::Input;
use regex_automata::meta::{Builder, Config, Regex};
use regex_syntax::ast::{
    Assertion, AssertionKind, Ast, ClassAscii, ClassAsciiKind, ClassBracketed, ClassPerl, ClassPerlKind, ClassSet,
    ClassSetItem, Flag, Flags, FlagsItem, FlagsItemKind, Group, GroupKind, parse::ParserBuilder,
};
use regex_syntax::hir::{Hir, Look, translate::TranslatorBuilder};

use super::{Attributes, Kernel, Table};
use crate::reference::array::Array;

pub(super) const OPERATORS: Table = &[("", "RegexFullMatch", full_match)];

/// Bytes of a compiled pattern; one that repeats repetitions grows beyond any text.
const LARGEST: usize = 1 << 20;
/// Groups inside one another.
const DEEPEST: u32 = 100;
/// Bytes of a pattern.
const LONGEST: usize = 1 << 14;

/// Whether each text as a whole is what the pattern says. The time is in proportion to the text, whatever the pattern.
fn full_match(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let pattern = attributes.string("pattern", "")?;
    let pattern = std::str::from_utf8(&pattern).map_err(|_| "the pattern is not UTF-8".to_owned())?;
    let regex = compile(pattern).map_err(|problem| format!("pattern '{}': {problem}", shown(pattern)))?;
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let texts = input.get::<Bytes>().ok_or_else(|| format!("expected BYTES, got {}", input.elements.dtype()))?;
        let matches = |text: &Bytes| std::str::from_utf8(text).is_ok_and(|text| regex.is_match(Input::new(text)));
        Ok(vec![Array::new(input.shape.clone(), texts.iter().map(matches).collect())?])
    }))
}

fn shown(pattern: &str) -> String {
    pattern.chars().take(80).collect()
}

fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > LONGEST {
        return Err(format!("it has {} bytes, {LONGEST} are the most", pattern.len()));
    }
    let first = |error: &dyn std::fmt::Display| error.to_string().lines().last().unwrap_or_default().to_owned();
    let mut ast = ParserBuilder::new().nest_limit(DEEPEST).build().parse(pattern).map_err(|error| first(&error))?;
    ascii(&mut ast);
    let own = TranslatorBuilder::new().build().translate(pattern, &ast).map_err(|error| first(&error))?;
    // The anchors go around the parsed pattern, so that nothing in its text can reach them.
    let whole = Hir::concat(vec![Hir::look(Look::Start), own, Hir::look(Look::End)]);
    let config = Config::new().nfa_size_limit(Some(LARGEST)).onepass(false);
    Builder::new().configure(config).build_from_hir(&whole).map_err(|_| "it is too large to be compiled".to_owned())
}

/// Gives `\d`, `\s`, `\w` and `\b` the meaning of RE2, whose syntax the operator has: letters and digits of ASCII.
fn ascii(ast: &mut Ast) {
    match ast {
        Ast::ClassPerl(class) => {
            let kind = ClassSet::Item(ClassSetItem::Ascii(of_ascii(class)));
            *ast = Ast::class_bracketed(ClassBracketed { span: class.span, negated: false, kind });
        }
        Ast::ClassBracketed(class) => in_set(&mut class.kind),
        Ast::Repetition(repetition) => ascii(&mut repetition.ast),
        Ast::Group(group) => ascii(&mut group.ast),
        Ast::Alternation(alternation) => alternation.asts.iter_mut().for_each(ascii),
        Ast::Concat(concat) => concat.asts.iter_mut().for_each(ascii),
        Ast::Assertion(assertion) if is_boundary(assertion) => *ast = without_unicode(assertion),
        _ => {}
    }
}

fn in_set(set: &mut ClassSet) {
    match set {
        ClassSet::Item(item) => in_item(item),
        ClassSet::BinaryOp(operation) => {
            in_set(&mut operation.lhs);
            in_set(&mut operation.rhs);
        }
    }
}

fn in_item(item: &mut ClassSetItem) {
    match item {
        ClassSetItem::Perl(class) => *item = ClassSetItem::Ascii(of_ascii(class)),
        ClassSetItem::Bracketed(class) => in_set(&mut class.kind),
        ClassSetItem::Union(union) => union.items.iter_mut().for_each(in_item),
        _ => {}
    }
}

fn of_ascii(class: &ClassPerl) -> ClassAscii {
    let kind = match class.kind {
        ClassPerlKind::Digit => ClassAsciiKind::Digit,
        ClassPerlKind::Space => ClassAsciiKind::Space,
        ClassPerlKind::Word => ClassAsciiKind::Word,
    };
    ClassAscii { span: class.span, kind, negated: class.negated }
}

fn is_boundary(assertion: &Assertion) -> bool {
    matches!(assertion.kind, AssertionKind::WordBoundary | AssertionKind::NotWordBoundary)
}

/// `(?-u:…)` around an assertion.
fn without_unicode(assertion: &Assertion) -> Ast {
    let span = assertion.span;
    let item = |kind| FlagsItem { span, kind };
    let items = vec![item(FlagsItemKind::Negation), item(FlagsItemKind::Flag(Flag::Unicode))];
    let kind = GroupKind::NonCapturing(Flags { span, items });
    Ast::group(Group { span, kind, ast: Box::new(Ast::assertion(assertion.clone())) })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts_only() {
        for (pattern, text, expect) in [
            (r"www\.[\w.-]+\.\bcom\b", "www.google.com", true),
            (r"www\.[\w.-]+\.\bcom\b", "www.facebook.com.", false),
            ("a|ab", "ab", true),
            ("a|ab", "abc", false),
            ("", "", true),
            ("", "a", false),
            ("(?x) a # a comment", "a", true),
            ("(?x) a # a comment", "ab", false),
            (r"\d+", "12", true),
            (r"\d+", "\u{663}", false),
            (r"[^\d]", "\u{663}", true),
            (r"\D", "7", false),
            (".", "\u{e9}", true),
            (".", "\n", false),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(Input::new(text)), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn bombs_and_what_cannot_be_matched_are_refused() {
        for (pattern, word) in [
            ("(((a{100}){100}){100}){100}", "too large"),
            (&"(".repeat(5000), "unclosed"),
            (&format!("{}a{}", "(".repeat(500), ")".repeat(500)), "nest"),
            (&"a".repeat(20_000), "20000 bytes"),
            ("a)(b", "unopened"),
            (r"(a)\1", "backreferences"),
            ("(?=a)", "look-around"),
        ] {
            let problem = compile(pattern).unwrap_err();
            assert!(problem.contains(word), "{pattern:.20}: {problem}");
        }
        let evil = compile("(a+)+b").unwrap();
        assert!(!evil.is_match(Input::new(&"a".repeat(100_000))), "in linear time");
    }
}
