"""`@input_schema` and `@output_schema` under the name by which Azure ML scripts import them."""

from scorehost.schema import input_schema, output_schema

__all__ = ["input_schema", "output_schema"]
