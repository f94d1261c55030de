"""Models of the deployment."""

from wit_world.imports import models as host

from ._errors import called
from ._tensor import Tensor, handle_of, spec_from_host


class Metadata:
    """Name, version, inputs and outputs of a model."""

    __slots__ = ("name", "version", "inputs", "outputs")

    def __init__(self, data):
        self.name = data.name
        self.version = data.version
        self.inputs = [spec_from_host(spec) for spec in data.inputs]
        self.outputs = [spec_from_host(spec) for spec in data.outputs]


class Model:
    """A model that runs in the host, on the deployment's device. Open it once, in `init`."""

    __slots__ = ("_handle",)

    def __init__(self, handle):
        self._handle = handle

    @classmethod
    def open(cls, name):
        """Opens a model of the deployment by `name` or `name:version`."""
        return cls(called(host.Model.open, name))

    @staticmethod
    def available():
        """Names of the deployment's models, each `name:version`."""
        return host.available()

    def metadata(self):
        """Name, version, inputs and outputs."""
        return Metadata(self._handle.metadata())

    def run(self, inputs, outputs=()):
        """Runs the model on `{name: Tensor}` and returns `{name: Tensor}`: the outputs named, or all. Only handles travel."""
        handles = [(name, handle_of(name, tensor)) for name, tensor in inputs.items()]
        return {named.name: Tensor(named.tensor) for named in called(self._handle.run, handles, list(outputs))}

    def file(self, path):
        """Reads a file registered with the model, by its path below the model's folder."""
        return called(self._handle.file, path)
