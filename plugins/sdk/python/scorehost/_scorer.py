"""Runs a scorer of tensors: a module with `init()`, `INPUTS`, `OUTPUTS` (lists of `TensorSpec`) and `run(inputs)`.

`INPUTS` and `OUTPUTS` are read after `init()`, which may set them, for example from a model's metadata.
"""

import traceback

import wit_world
from wit_world.imports import log, tensors

from . import _surroundings
from ._errors import failure_of
from ._tensor import Tensor, handle_of, spec_to_host


def export(module):
    """The component's exports for a module."""
    for name in ("init", "run"):
        if not callable(getattr(module, name, None)):
            raise TypeError(f"{module.__name__} has no function {name}()")
    run = module.run

    class WitWorld(wit_world.WitWorld):
        def init(self):
            _surroundings.start()
            try:
                module.init()
                for name in ("INPUTS", "OUTPUTS"):
                    if not hasattr(module, name):
                        raise TypeError(f"{module.__name__} has no list {name} of TensorSpec")
            except BaseException as error:
                log.write(log.Level.ERROR, traceback.format_exc())
                raise failure_of(error, "init()") from None

        def signature(self):
            return wit_world.Signature([spec_to_host(spec) for spec in module.INPUTS], [spec_to_host(spec) for spec in module.OUTPUTS])

        def run(self, inputs):
            try:
                outputs = run({named.name: Tensor(named.tensor) for named in inputs})
                return [tensors.NamedTensor(name, handle_of(name, tensor).share()) for name, tensor in outputs.items()]
            except BaseException as error:
                log.write(log.Level.ERROR, traceback.format_exc())
                raise failure_of(error, "run()") from None

    return WitWorld
