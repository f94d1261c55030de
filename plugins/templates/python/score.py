"""A scorer: adds up the numbers of a request."""

import json
import logging


def init():
    """Runs once per replica: open models here."""
    logging.info("ready")


def run(raw_data):
    """Runs once per request; what it returns is sent as JSON."""
    data = json.loads(raw_data)["data"]
    return {"sum": sum(data), "count": len(data)}
