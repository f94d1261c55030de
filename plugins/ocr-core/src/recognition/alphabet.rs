/// The characters that a recogniser knows, by class: class 0 is the blank of the CTC, the last class is the space.
#[derive(Debug, Clone, PartialEq)]
pub struct Alphabet {
    characters: Vec<String>,
}

impl Alphabet {
    /// Reads a character list: the character of class 1 in the first line, and so on. The space is not in the list.
    pub fn from_lines(list: &str) -> Self {
        let mut characters: Vec<String> = list.lines().map(str::to_owned).collect();
        characters.push(" ".to_owned());
        Self { characters }
    }

    /// Number of classes, the blank included.
    pub fn classes(&self) -> usize {
        self.characters.len() + 1
    }

    /// The character of `class`; none for the blank and beyond the end.
    pub(super) fn character(&self, class: usize) -> Option<&str> {
        self.characters.get(class.checked_sub(1)?).map(String::as_str)
    }
}
