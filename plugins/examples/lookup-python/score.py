"""Looks features up at another server before it scores: a request names a customer, the feature store knows the rest.

The deployment gives the store's address as the variable FEATURES_URL, and lists its host in `scorehost.grants.outbound`.
"""

import json
import os

from scorehost import BadRequest, outbound


def init():
    global url
    url = os.environ["FEATURES_URL"]


def run(raw_data):
    customer = json.loads(raw_data)["customer"]
    if not customer.isalnum():
        raise BadRequest("a customer's name is letters and digits")
    found = outbound.get(f"{url}/{customer}").successful().json()
    return {"customer": customer, "score": sum(found["features"])}
