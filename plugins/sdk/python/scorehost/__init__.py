"""Write scorers for scorehost in Python.

An entry script is a module with `init()` and `run(raw_data)`, as Azure ML runs it, unchanged. What a scorer can use of the host:

- `Tensor`: a handle to elements that live in the host. Passing one to a model or returning it copies nothing; `tolist()` and
  `memoryview(tensor)` copy the elements into Python, once.
- `Model`: a model of the deployment, which runs outside the sandbox on the deployment's devices.
- `operations`: work on tensors that runs in the host: pictures, arithmetic, search; handles in, handles out.
- `context`: request id, headers, variables, remaining time. `collect`: model data collection.
- `logging` and `print` go to the service's log.

Modules are loaded when the scorer is built (those of the main file also where it imports them inside functions); there is no file
system when it runs.
"""

from . import collect, context, operations
from ._errors import BadRequest, HostError
from ._model import Metadata, Model
from ._tensor import DType, Tensor, TensorSpec

__all__ = ["BadRequest", "DType", "HostError", "Metadata", "Model", "Tensor", "TensorSpec", "collect", "context", "operations"]
