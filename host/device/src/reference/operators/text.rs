//! Operators on strings.

use std::collections::HashMap;

use bytes::Bytes;

use super::elementwise::zip;
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[
    ("", "StringConcat", concat),
    ("", "StringSplit", split),
    ("", "StringNormalizer", normalise),
    ("", "TfIdfVectorizer", count_grams),
];

fn texts(array: &Array) -> Result<&[Bytes], String> {
    array.get::<Bytes>().ok_or_else(|| format!("expected BYTES, got {}", array.elements.dtype()))
}

fn concat(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let join = |a: &Bytes, b: &Bytes| Bytes::from([&**a, &**b].concat());
        Ok(vec![zip((texts(left)?, &left.shape), (texts(right)?, &right.shape), join)?])
    }))
}

/// Parts of each string, filled up with empty ones, and their number. Without a delimiter, runs of white space part.
fn split(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let delimiter = attributes.string("delimiter", "")?;
    let most = attributes.optional_int("maxsplit")?;
    let most = most.map_or(Ok(usize::MAX), |most| usize::try_from(most).map_err(|_| format!("maxsplit is {most}")))?;
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let parts: Vec<Vec<Bytes>> = texts(input)?.iter().map(|text| parts(text, &delimiter, most)).collect();
        let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
        let mut shape = input.shape.clone();
        shape.push(longest);
        count(&shape)?;
        let counts = parts.iter().map(|parts| parts.len() as i64).collect::<Vec<i64>>();
        let filled = parts.into_iter().flat_map(|mut parts| {
            parts.resize(longest, Bytes::new());
            parts
        });
        Ok(vec![Array::new(shape, filled.collect::<Vec<Bytes>>())?, Array::new(input.shape.clone(), counts)?])
    }))
}

fn parts(text: &Bytes, delimiter: &[u8], most: usize) -> Vec<Bytes> {
    let text = String::from_utf8_lossy(text);
    let own = |part: &str| Bytes::copy_from_slice(part.as_bytes());
    if !delimiter.is_empty() {
        let delimiter = String::from_utf8_lossy(delimiter);
        let parts = text.splitn(most.saturating_add(1), &*delimiter);
        return if text.is_empty() { Vec::new() } else { parts.map(own).collect() };
    }
    let (mut parts, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).filter(|_| parts.len() < most).unwrap_or(rest.len());
        parts.push(own(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    parts
}

/// Takes stop words out of a row of words and changes the case of what is left.
fn normalise(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let change: fn(&str) -> String = match &*attributes.string("case_change_action", "NONE")? {
        b"LOWER" => str::to_lowercase,
        b"UPPER" => str::to_uppercase,
        b"NONE" => str::to_owned,
        other => return Err(format!("case_change_action '{}'", String::from_utf8_lossy(other))),
    };
    let sensitive = attributes.int("is_case_sensitive", 0)? != 0;
    let key = move |word: &str| if sensitive { word.to_owned() } else { word.to_lowercase() };
    let stop = attributes.strings("stopwords")?;
    let stop: Vec<String> = stop.iter().map(|word| key(&String::from_utf8_lossy(word))).collect();
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        if !matches!(input.shape[..], [_] | [1, _]) {
            return Err(format!("expected one row of words, got shape {:?}", input.shape));
        }
        let words = texts(input)?.iter().map(|word| String::from_utf8_lossy(word));
        let kept = words.filter(|word| !stop.contains(&key(word)));
        let mut kept: Vec<Bytes> = kept.map(|word| Bytes::from(change(&word))).collect();
        if kept.is_empty() {
            kept.push(Bytes::new());
        }
        let shape = if input.shape.len() == 1 { vec![kept.len()] } else { vec![1, kept.len()] };
        Ok(vec![Array::new(shape, kept)?])
    }))
}

/// What a gram is made of.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Token {
    Text(Bytes),
    Int(i64),
}

struct Grams {
    /// Column and weight of each gram.
    known: HashMap<Vec<Token>, (usize, f32)>,
    columns: usize,
    lengths: std::ops::RangeInclusive<usize>,
    skips: usize,
    weigh: fn(f32, f32) -> f32,
}

/// Counts runs of tokens (with up to some tokens left out between two), or weighs them.
fn count_grams(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let grams = Grams::read(attributes)?;
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let tokens: Vec<Token> = match input.get::<Bytes>() {
            Some(texts) => texts.iter().cloned().map(Token::Text).collect(),
            None => input.to_i64()?.into_iter().map(Token::Int).collect(),
        };
        let (rows, length, shape) = match input.shape[..] {
            [length] => (1, length, vec![grams.columns]),
            [rows, length] => (rows, length, vec![rows, grams.columns]),
            _ => return Err(format!("expected tokens or rows of tokens, got shape {:?}", input.shape)),
        };
        count(&shape)?;
        let counted = (0..rows).flat_map(|row| grams.count(&tokens[row * length..(row + 1) * length]));
        Ok(vec![Array::new(shape, counted.collect::<Vec<f32>>())?])
    }))
}

impl Grams {
    fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        let size = |name: &str| usize::try_from(attributes.int(name, 0)?).map_err(|_| format!("{name} is negative"));
        let places = |name: &str| -> Result<Vec<usize>, String> {
            let ints = attributes.ints(name)?;
            ints.iter().map(|at| usize::try_from(*at).map_err(|_| format!("{name} holds {at}"))).collect()
        };
        let ints = attributes.ints("pool_int64s")?.into_iter().map(Token::Int);
        let pool: Vec<Token> = attributes.strings("pool_strings")?.into_iter().map(Token::Text).chain(ints).collect();
        let (counts, columns, weights) =
            (places("ngram_counts")?, places("ngram_indexes")?, attributes.floats("weights")?);
        let mut known = HashMap::new();
        for (index, start) in counts.iter().enumerate() {
            let end = counts.get(index + 1).copied().unwrap_or(pool.len());
            let grams =
                pool.get(*start..end).ok_or_else(|| format!("ngram_counts {counts:?} for a pool of {}", pool.len()))?;
            for gram in grams.chunks(index + 1) {
                let number = known.len();
                let column = *columns.get(number).ok_or("fewer ngram_indexes than grams")?;
                known.insert(gram.to_vec(), (column, weights.get(number).copied().unwrap_or(1.0)));
            }
        }
        let weigh: fn(f32, f32) -> f32 = match &*attributes.string("mode", "TF")? {
            b"TF" => |count, _| count,
            b"IDF" => |count, weight| if count > 0.0 { weight } else { 0.0 },
            b"TFIDF" => |count, weight| count * weight,
            other => return Err(format!("mode '{}'", String::from_utf8_lossy(other))),
        };
        let lengths = size("min_gram_length")?.max(1)..=size("max_gram_length")?;
        let columns = columns.into_iter().max().map_or(0, |last| last + 1);
        Ok(Self { known, columns, lengths, skips: size("max_skip_count")?, weigh })
    }

    fn count(&self, tokens: &[Token]) -> Vec<f32> {
        let (mut counts, mut weights) = (vec![0f32; self.columns], vec![0f32; self.columns]);
        for length in self.lengths.clone() {
            // Single tokens have nothing between them.
            let skips = if length == 1 { 0 } else { self.skips.min(tokens.len()) };
            for step in 1..=skips + 1 {
                let reach = (length - 1).saturating_mul(step);
                for start in 0..tokens.len().saturating_sub(reach) {
                    let gram: Vec<Token> = tokens[start..].iter().step_by(step).take(length).cloned().collect();
                    if let Some((column, weight)) = self.known.get(&gram) {
                        counts[*column] += 1.0;
                        weights[*column] = *weight;
                    }
                }
            }
        }
        counts.into_iter().zip(weights).map(|(count, weight)| (self.weigh)(count, weight)).collect()
    }
}
