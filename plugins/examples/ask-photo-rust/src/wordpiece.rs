//! Word pieces of BERT's English vocabulary, lower case: what MiniLM was trained on.

use std::collections::HashMap;

/// Pieces of a text; the rest is left out.
const LONGEST: usize = 64;

/// A vocabulary of one piece a line.
pub(crate) struct Vocabulary {
    ids: HashMap<String, i64>,
}

/// Texts of one length, row by row.
pub(crate) struct Batch {
    pub(crate) ids: Vec<i64>,
    /// 1 where a piece counts, 0 where a text is filled up.
    pub(crate) mask: Vec<i64>,
    /// Pieces of each text.
    pub(crate) length: usize,
}

impl Vocabulary {
    pub(crate) fn of(text: &str) -> Self {
        Self { ids: text.lines().zip(0..).map(|(piece, id)| (piece.to_owned(), id)).collect() }
    }

    /// The ids of all texts, filled up to the length of the longest.
    pub(crate) fn batch(&self, texts: &[&str]) -> Batch {
        let rows: Vec<Vec<i64>> = texts.iter().map(|text| self.encode(text)).collect();
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        let fill = self.id("[PAD]");
        let padded = |row: &Vec<i64>| (0..length).map(|at| row.get(at).copied().unwrap_or(fill)).collect::<Vec<_>>();
        let counts = |row: &Vec<i64>| (0..length).map(|at| i64::from(at < row.len())).collect::<Vec<_>>();
        let (ids, mask) = (rows.iter().flat_map(padded).collect(), rows.iter().flat_map(counts).collect());
        Batch { ids, mask, length }
    }

    /// The ids of one text, begin and end included.
    fn encode(&self, text: &str) -> Vec<i64> {
        let text = text.to_lowercase();
        let pieces = words(&text).into_iter().flat_map(|word| self.pieces(word)).take(LONGEST - 2);
        std::iter::once(self.id("[CLS]")).chain(pieces).chain([self.id("[SEP]")]).collect()
    }

    /// The ids of the longest pieces that a word begins with, one after the other.
    fn pieces(&self, word: &str) -> Vec<i64> {
        let (mut found, mut rest) = (Vec::new(), word);
        while !rest.is_empty() {
            let prefix = if rest.len() == word.len() { "" } else { "##" };
            let ends = rest.char_indices().map(|(at, character)| at + character.len_utf8()).rev();
            let longest =
                ends.into_iter().find_map(|end| Some((end, *self.ids.get(&format!("{prefix}{}", &rest[..end]))?)));
            let Some((end, id)) = longest else { return vec![self.id("[UNK]")] };
            found.push(id);
            rest = &rest[end..];
        }
        found
    }

    fn id(&self, piece: &str) -> i64 {
        self.ids.get(piece).copied().unwrap_or(0)
    }
}

/// Runs of letters and digits, and every other character but spaces alone.
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut begin) = (Vec::new(), None);
    for (at, character) in text.char_indices() {
        if character.is_alphanumeric() {
            begin.get_or_insert(at);
            continue;
        }
        words.extend(begin.take().map(|begin: usize| &text[begin..at]));
        if !character.is_whitespace() {
            words.push(&text[at..at + character.len_utf8()]);
        }
    }
    words.extend(begin.map(|begin| &text[begin..]));
    words
}
