"""An entry script that takes the raw request and answers with a response of its own."""

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    """Nothing to open."""


@rawhttp
def run(request: AMLRequest):
    """Answers with the status that the query names, and the body as it came; of a form with what is in it."""
    if request.args.get("form"):
        return AMLResponse(form(request), 200, json_str=True)
    status = int(request.args.get("status", "200"))
    headers = {"Content-Type": "application/x-test", "x-method": request.method}
    return AMLResponse(request.get_data(), status, headers)


def form(request):
    """Fields and files of a form, with everything that a caller said of them."""
    return {
        "form": request.form.to_dict(flat=False),
        "first": request.form.get("b"),
        "number": request.form.get("n", 7, type=int),
        "values": sorted(request.values.get("b", "")),
        "files": [
            [name, file.filename, file.mimetype, list(file.read())]
            for name in request.files
            for file in request.files.getlist(name)
        ],
        "mimetype": request.mimetype,
    }
