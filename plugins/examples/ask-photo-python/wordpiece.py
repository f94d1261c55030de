"""Word pieces of BERT's English vocabulary, lower case: what MiniLM was trained on."""

LONGEST = 64  # pieces of a text; the rest is left out


class Vocabulary:
    """A vocabulary of one piece a line."""

    def __init__(self, text):
        self.ids = {piece: index for index, piece in enumerate(text.splitlines())}

    def batch(self, texts):
        """Ids of all texts, filled up to the same length, and which of them count."""
        rows = [self.encode(text) for text in texts]
        longest = max(map(len, rows))
        return [row + [self.ids["[PAD]"]] * (longest - len(row)) for row in rows], [
            [1] * len(row) + [0] * (longest - len(row)) for row in rows
        ]

    def encode(self, text):
        """The ids of one text, begin and end included."""
        pieces = [piece for word in words(text.lower()) for piece in self.pieces(word)]
        return [self.ids["[CLS]"], *pieces[: LONGEST - 2], self.ids["[SEP]"]]

    def pieces(self, word):
        """The ids of the longest pieces that a word begins with, one after the other."""
        found, begin = [], 0
        while begin < len(word):
            prefix = "##" if begin else ""
            ends = (end for end in range(len(word), begin, -1) if prefix + word[begin:end] in self.ids)
            end = next(ends, None)
            if end is None:
                return [self.ids["[UNK]"]]
            found.append(self.ids[prefix + word[begin:end]])
            begin = end
        return found


def words(text):
    """Runs of letters and digits, and every other character alone."""
    word = ""
    for character in text:
        if character.isalnum():
            word += character
            continue
        if word:
            yield word
        word = ""
        if not character.isspace():
            yield character
    if word:
        yield word
