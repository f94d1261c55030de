//! Where the last whole record of a CSV file ends: what a crash cut off stands behind.

/// The end of the last whole record, found by reading the file once in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    quoted: bool,
    read: u64,
    whole: u64,
}

impl Tail {
    /// Reads on. A line ends a record unless it is within quotes; a doubled quote opens and closes at once.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.read += 1;
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted => self.whole = self.read,
                _ => {}
            }
        }
    }

    /// Bytes up to and with the last whole record.
    pub(super) const fn whole(self) -> u64 {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_anywhere_ends_with_its_last_whole_record() {
        let records: [&[u8]; 4] = [b"a,b\n", b"1,\"two\nlines\"\n", b"\"say \"\"hi\"\"\n\",3\n", b"4,5\n"];
        let file = records.concat();
        for cut in 0..=file.len() {
            let mut tail = Tail::default();
            file[..cut].chunks(3).for_each(|chunk| tail.feed(chunk));
            let ends = records.iter().scan(0, |end, record| {
                *end += record.len();
                Some(*end)
            });
            let expected = ends.take_while(|end| *end <= cut).last().unwrap_or(0);
            assert_eq!(tail.whole(), expected as u64, "cut at {cut}");
        }
    }
}
