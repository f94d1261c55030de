"""`NumpyParameterType` needs numpy, which is native code: scorers are sandboxed and have no numpy."""

raise ImportError("NumpyParameterType needs numpy, which a sandboxed scorer does not have; use StandardPythonParameterType and scorehost.Tensor")
