"""Bodies that are forms: fields and files, by HTML's `application/x-www-form-urlencoded` and RFC 7578's `multipart/form-data`.

Written here and not taken from `email`, which every replica would hold in memory whether it reads forms or not.
"""

import io
from urllib.parse import parse_qsl, unquote_to_bytes

from componentize_py_types import Err
from wit_world.imports.failures import Failure, FailureKind

from .headers import Headers

# Fields and files of one form.
MAX_PARTS = 1000


class Values(dict):
    """Named values, of which one name may have several: the first of each; `getlist` has them all."""

    def __init__(self, pairs=()):
        self._lists = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)
        super().__init__((name, values[0]) for name, values in self._lists.items())

    def get(self, name, default=None, type=None):
        """The first value of a name, converted by `type`; `default` where there is none, or it does not convert."""
        value = super().get(name, default)
        if type is None or name not in self:
            return value
        try:
            return type(value)
        except (ValueError, TypeError):
            return default

    def getlist(self, name):
        """All values of a name."""
        return list(self._lists.get(name, ()))

    def pairs(self):
        """All names with each of their values."""
        return [(name, value) for name, values in self._lists.items() for value in values]

    def to_dict(self, flat=True):
        """A plain dictionary of first values, or of lists."""
        return dict(self) if flat else {name: list(values) for name, values in self._lists.items()}


class File:
    """A file of a form: `filename`, `content_type`, and its content as a binary file object."""

    __slots__ = ("name", "filename", "headers", "stream")

    def __init__(self, name, filename, headers, content):
        self.name = name
        self.filename = filename
        self.headers = headers
        self.stream = io.BytesIO(content)

    @property
    def content_type(self):
        """The type that the caller declared; None where it did not."""
        return self.headers.get("content-type")

    @property
    def mimetype(self):
        """The type without parameters."""
        return (self.content_type or "").partition(";")[0].strip().lower()

    def __getattr__(self, name):
        # read, seek, readline, …: a file is used like the open file that it stands for.
        return getattr(self.stream, name)

    def __iter__(self):
        return iter(self.stream)

    def __bool__(self):
        return bool(self.filename)


def form_of(content_type, body):
    """Fields (text) and files of a body; nothing where it is declared to be something else."""
    kind, options = _header(content_type)
    if kind == "application/x-www-form-urlencoded":
        try:
            return Values(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_PARTS)), Values()
        except ValueError as error:
            raise _wrong(f"the form cannot be read: {error}") from None
    if kind == "multipart/form-data":
        return _multipart(body, options.get("boundary"))
    return Values(), Values()


def _multipart(body, boundary):
    if not boundary:
        raise _wrong("multipart/form-data needs a boundary in its content-type")
    fields, files = [], []
    for head, content in _parts(body, boundary.encode()):
        kind, options = _header(head.get("content-disposition", ""))
        name = options.get("name")
        if kind != "form-data" or name is None:
            raise _wrong("a part of the form has no name in its content-disposition")
        if len(fields) + len(files) == MAX_PARTS:
            raise _wrong(f"the form has more than {MAX_PARTS} parts")
        filename = options.get("filename")
        if filename is None:
            fields.append((name, content.decode(errors="replace")))
        else:
            files.append((name, File(name, filename, head, content)))
    return Values(fields), Values(files)


def _parts(body, boundary):
    """Headers and content of each part, up to the closing boundary."""
    line = b"\r\n--" + boundary
    # The first boundary may be the body's first line.
    body = b"\r\n" + body
    at = body.find(line)
    while at >= 0:
        at += len(line)
        if body.startswith(b"--", at):
            return
        end = body.find(line, at)
        begin = body.find(b"\r\n", at)
        if end < 0 or not 0 <= begin <= end:
            break
        # A part without headers begins with an empty line.
        head, separator, content = body[begin:end].partition(b"\r\n\r\n")
        if not separator:
            break
        yield _headers(head), content
        at = end
    raise _wrong("the form ends before its closing boundary")


def _headers(head):
    lines = (line.partition(":") for line in head.decode(errors="replace").split("\r\n") if line)
    return Headers((name.strip(), value.strip()) for name, _, value in lines)


def _header(text):
    """A header's value and its parameters: `form-data; name="a"`."""
    kind, *rest = _split(text)
    options = {}
    for option in rest:
        name, _, value = option.partition("=")
        name, value = name.strip().lower(), value.strip()
        if name.endswith("*"):
            # RFC 8187: charset'language'percent-encoded.
            charset, _, encoded = value.partition("'")
            options[name[:-1]] = _decoded(unquote_to_bytes(encoded.partition("'")[2]), charset)
        elif name not in options:
            options[name] = _unquoted(value)
    return kind.strip().lower(), options


def _decoded(content, charset):
    try:
        return content.decode(charset or "utf-8", errors="replace")
    except LookupError:
        return content.decode(errors="replace")


def _split(text):
    """Pieces between semicolons that are not quoted."""
    pieces, quoted, escaped, begin = [], False, False, 0
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            pieces.append(text[begin:index])
            begin = index + 1
    return [*pieces, text[begin:]]


def _unquoted(value):
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    # Browsers write a quote as %22 and leave backslashes of Windows paths alone.
    return value[1:-1].replace('\\"', '"').replace("%22", '"')


def _wrong(message):
    return Err(Failure(FailureKind.INVALID_INPUT, message))
