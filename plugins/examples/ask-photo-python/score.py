"""Answers a question with the line of a photograph that fits it best: three models of two services in one request.

The photograph is in the body, the question in the query (`?q=when+is+it+open`). A small look by the model `ppocr-det` tells whether
there is text at all; the service `text-in-photo` reads it; the model `minilm` makes a vector of the question and of every line, and
the lines are ranked by how close they are. The pixels and vectors stay in the host.
"""

from scorehost import BadRequest, Model, Tensor, operations, services
from scorehost.http import AMLRequest, AMLResponse, rawhttp

from wordpiece import Vocabulary

READER = "text-in-photo"
LOOK = 320  # pixels: enough to see that there is text
PROBABLE = 0.3  # of a pixel to belong to text


def init():
    global detector, encoder, vocabulary
    detector, encoder = Model.open("ppocr-det"), Model.open("minilm")
    vocabulary = Vocabulary(encoder.file("vocab.txt").decode())


@rawhttp
def run(request: AMLRequest):
    question, photo = request.args.get("q", ""), request.get_data()
    if not question.strip():
        raise BadRequest("the query has no question; POST a photograph to …/score?q=when+is+it+open")
    if not has_text(photo):
        return {"question": question, "lines": []}
    answer = services.post(READER, photo, content_type=request.content_type or "image/jpeg")
    lines = answer.successful().json()["lines"]
    ranked = rank(question, [line["text"] for line in lines])
    return {"question": question, "lines": [{**lines[index], "similarity": round(value, 4)} for index, value in ranked]}


def has_text(photo):
    """Whether the detection model sees any text in the picture, made small."""
    pixels = operations.decode(Tensor.from_bytes("u8", [len(photo)], photo))
    small = operations.resize(pixels, LOOK, LOOK)
    prepared = operations.normalize(small, mean=[1.0], scale=1 / 127.5, reverse=True)
    (map,) = detector.run({"x": prepared.reshape(1, 3, LOOK, LOOK)}).values()
    return operations.reduce("max", map).tolist() > PROBABLE


def rank(question, lines):
    """Indices of lines and their cosine with the question, closest first."""
    if not lines:
        return []
    products = embed([question, *lines]).tolist()
    cosine = [row[0] / (row[index] * products[0][0]) ** 0.5 for index, row in enumerate(products)]
    return sorted(enumerate(cosine[1:]), key=lambda pair: -pair[1])


def embed(texts):
    """Products of the vectors of all texts with one another: the mean of the encoder's vectors of each text's word pieces."""
    ids, mask = vocabulary.batch(texts)
    shape = [len(ids), len(ids[0])]
    tensor = lambda dtype, rows: Tensor.from_list(dtype, shape, rows)
    inputs = {"input_ids": tensor("i64", ids), "attention_mask": tensor("i64", mask), "token_type_ids": tensor("i64", [[0] * shape[1]] * shape[0])}
    hidden = encoder.run(inputs)["last_hidden_state"]
    weights = tensor("fp32", mask)
    total = operations.reduce("sum", operations.multiply(hidden, weights.reshape(*shape, 1)), [1])
    vectors = operations.divide(total, operations.reduce("sum", weights, [1], keep_dims=True))
    return operations.matmul(vectors, operations.transpose(vectors))
