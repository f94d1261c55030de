"""An entry script that takes the raw request and answers with a response of its own."""

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    """Nothing to open."""


@rawhttp
def run(request: AMLRequest):
    """Answers with the status that the query names, and the body as it came."""
    status = int(request.args.get("status", "200"))
    headers = {"Content-Type": "application/x-test", "x-method": request.method}
    return AMLResponse(request.get_data(), status, headers)
