//! "Did you mean": the closest of the known names.

/// A hint naming the candidate closest to `name`, where one is close.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase());
    let closest = candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    let close = closest.0 <= 1 + name.chars().count() / 4;
    close.then(|| format!("did you mean '{}'?", closest.1))
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_close_name_is_suggested_and_a_far_one_is_not() {
        let names = ["entryScript", "environment"];
        assert_eq!(did_you_mean("entryscrpt", names).as_deref(), Some("did you mean 'entryScript'?"));
        assert_eq!(did_you_mean("zzz", names), None);
    }
}
