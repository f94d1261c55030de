"""Model data collection: records go where the deployment stores collected data, and nowhere (no error) where it does not."""

import json as _json

from wit_world.imports import collect as _host

from ._tensor import handle_of as _handle_of


def enabled():
    """Whether records are kept; skip costly preparation otherwise."""
    return _host.enabled()


def tensor(designation, name, value):
    """Records a tensor under a designation such as `inputs` or `outputs`; only the handle travels."""
    _host.record_tensor(designation, name, _handle_of(name, value))


def json(designation, document):
    """Records a JSON-able value under a designation."""
    if _host.enabled():
        _host.record_json(designation, _json.dumps(document))
