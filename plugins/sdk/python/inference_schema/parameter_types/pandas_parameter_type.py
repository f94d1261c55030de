"""`PandasParameterType` needs pandas, which is native code: scorers are sandboxed and have no pandas."""

raise ImportError("PandasParameterType needs pandas, which a sandboxed scorer does not have; use StandardPythonParameterType and scorehost.Tensor")
