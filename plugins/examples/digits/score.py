"""Recognises handwritten digits: 8x8 grey images, 0 (white) to 16 (black), row by row.

Request:  {"data": [[64 numbers], ...]}
Response: {"labels": [digit, ...], "probabilities": [[10 numbers], ...]}
"""

import json

from scorehost import Model, Tensor

PIXELS = 64

model = None


def init():
    """Called once per replica: opens the deployment's model named `digits`."""
    global model
    model = Model.open("digits")


def run(raw_data):
    """Called once per request with the body as text; what it returns is sent as JSON."""
    images = parse(raw_data)
    pixels = [pixel for image in images for pixel in image]
    outputs = model.run({"X": Tensor.from_list("fp32", [len(images), PIXELS], pixels)})
    return {"labels": outputs["label"].tolist(), "probabilities": outputs["probabilities"].tolist()}


def parse(raw_data):
    """Returns the images of a request; the message of the error says what a request must look like."""
    request = json.loads(raw_data)
    images = request.get("data") if isinstance(request, dict) else None
    if not isinstance(images, list) or not images:
        raise ValueError('the body must be {"data": [image, ...]} with at least one image')
    for index, image in enumerate(images):
        if not isinstance(image, list) or len(image) != PIXELS or not all(map(is_number, image)):
            raise ValueError(f"image {index} must be a list of {PIXELS} numbers")
    return images


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)
