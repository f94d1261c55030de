"""The mean colour of a picture, and where its brightest of 8 x 8 fields is: all of it computed in the host, by operations on handles.

The body is a JPEG or PNG file. The answer: {"mean": [red, green, blue] from 0 to 1, "brightest": [row, column]}.
"""

from azureml.contrib.services.aml_request import rawhttp
from scorehost import operations


def init():
    pass


@rawhttp
def run(request):
    photo = operations.decode(request.get_data())
    fields = operations.normalize(operations.resize(photo, 8, 8))
    mean = operations.reduce("mean", fields, axes=[1, 2])
    brightness = operations.reduce("sum", fields, axes=[0]).reshape(64)
    brightest = operations.argmax(brightness).tolist()
    return {"mean": mean.tolist(), "brightest": [brightest // 8, brightest % 8]}
