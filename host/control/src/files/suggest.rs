/// The known word nearest to `word`, where it is near enough to be a slip: up to a third of its letters.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let distances = known.iter().map(|candidate| (edits(&lower, &candidate.to_lowercase()), *candidate));
    let (distance, candidate) = distances.min()?;
    (distance <= candidate.len().max(word.len()).div_ceil(3)).then_some(candidate)
}

/// Letters to insert, delete or replace to make `b` of `a` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
