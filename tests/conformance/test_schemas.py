"""The JSON Schemas that editors get, held to the same tables of documents as the parsers (tests/fixtures/configuration)."""

import json
import subprocess

import pytest
from conftest import BINARY, ROOT
from jsonschema import Draft7Validator

FILES = ["deploymentconfig", "inferenceconfig"]


def printed(file: str) -> dict:
    done = subprocess.run([str(BINARY), "schema", file], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def rows(file: str) -> list[dict]:
    return json.loads((ROOT / "tests" / "fixtures" / "configuration" / f"{file}.json").read_text())


@pytest.mark.parametrize("file", FILES)
def test_the_program_prints_the_schema_of_the_reference(file):
    schema = printed(file)
    Draft7Validator.check_schema(schema)
    assert schema == json.loads((ROOT / "docs" / "reference" / "schemas" / f"{file}.schema.json").read_text())


@pytest.mark.parametrize("file, row", [pytest.param(file, row, id=f"{file}: {row['name']}") for file in FILES for row in rows(file)])
def test_the_schema_agrees_with_the_parser(file, row):
    errors = [f"{error.json_path}: {error.message}" for error in Draft7Validator(printed_once(file)).iter_errors(row["document"])]
    accepted = row["valid"] or row.get("beyond_schema", False)
    assert (not errors) == accepted, errors


@pytest.mark.parametrize("file", FILES)
def test_every_key_is_explained(file):
    """What an editor shows beside a key while it is written."""

    def keys(schema: dict, path: str):
        for key, value in schema.get("properties", {}).items():
            yield f"{path}.{key}", value
            yield from keys(value, f"{path}.{key}")

    unexplained = [path for path, schema in keys(printed_once(file), "$") if not schema.get("description")]
    assert not unexplained


SCHEMAS: dict[str, dict] = {}


def printed_once(file: str) -> dict:
    if file not in SCHEMAS:
        SCHEMAS[file] = printed(file)
    return SCHEMAS[file]
