"""Named values of a request, of an answer, or of a part of a form."""


class Headers(dict):
    """Headers, looked up without case."""

    def __init__(self, pairs=()):
        super().__init__()
        for name, value in pairs:
            self.add(name, value)

    def add(self, name, value):
        """Adds a header; values of one name are joined by commas."""
        name = self._named(name)
        dict.__setitem__(self, name, f"{dict.__getitem__(self, name)}, {value}" if dict.__contains__(self, name) else str(value))

    add_header = add

    def __getitem__(self, name):
        return super().__getitem__(self._named(name))

    def __setitem__(self, name, value):
        super().__setitem__(self._named(name), str(value))

    def __contains__(self, name):
        return super().__contains__(self._named(name))

    def get(self, name, default=None):
        return super().get(self._named(name), default)

    @staticmethod
    def _named(name):
        return "-".join(part.capitalize() for part in name.split("-"))
