"""Answers with the sum of the numbers of a request: the small JSON entry script of the benchmarks.

Request:  {"data": [numbers]}
Response: {"sum": number, "data": [the same numbers]}
"""

import json


def init():
    """Nothing to open."""


def run(raw_data):
    """Called once per request with the body as text; what it returns is sent as JSON."""
    data = json.loads(raw_data)["data"]
    return {"sum": sum(data), "data": data}
