"""An undecorated entry script whose answer is what the request asks for."""

import json


def init():
    """Nothing to open."""


def run(raw_data):
    """Takes the body as text, or the query as a JSON document."""
    try:
        asked = json.loads(raw_data)
    except ValueError:
        return {"text": raw_data}
    wanted = asked.get("return") if isinstance(asked, dict) else None
    if wanted == "raise":
        raise ValueError("asked for")
    if wanted == "text":
        return "Grüße"
    if wanted == "list":
        return [1, 2.5, None, True, "x"]
    if wanted == "none":
        return None
    return {"got": asked, "type": type(raw_data).__name__}
