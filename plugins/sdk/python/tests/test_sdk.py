"""How scripts are called: every input mode of Azure ML's entry scripts, tensors, and what a script finds around it."""

import json
import logging
import os
import sys
import tempfile
import types
import unittest
from array import array
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
import fake_host  # noqa: E402

fake_host.install()

from azureml.contrib.services.aml_request import AMLRequest, rawhttp  # noqa: E402
from azureml.contrib.services.aml_response import AMLResponse  # noqa: E402
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType  # noqa: E402
from inference_schema.schema_decorators import input_schema, output_schema  # noqa: E402
from scorehost import BadRequest, DType, HostError, Model, Tensor, TensorSpec, _entry_script, _scorer, operations  # noqa: E402
from scorehost._preload import preload  # noqa: E402


def component(run, init=lambda: None, **more):
    module = types.SimpleNamespace(__name__="score", init=init, run=run, **more)
    made = (_scorer if "INPUTS" in more else _entry_script).export(module)()
    made.init()
    return made


def call(run, body=b"", method="POST", query=""):
    return component(run).run(fake_host.HttpRequest(method, query, body))


class EntryScripts(unittest.TestCase):
    def test_an_undecorated_run_gets_text_and_its_result_is_sent_as_json(self):
        answers = [
            ({"a": [1, 2.5, None, True], "é": "\n"}, json.dumps({"a": [1, 2.5, None, True], "é": "\n"})),
            ("text", '"text"'), (None, "{}"), (3, "3"), ([], "[]"),
        ]
        for result, body in answers:
            response = call(lambda raw_data, result=result: result)
            self.assertEqual((response.status, response.headers, response.body.decode()), (200, [], body))
        self.assertEqual(call(lambda raw_data: raw_data, "grüße".encode()).body, json.dumps("grüße").encode())

    def test_query_values_are_parsed_as_json_and_repeated_keys_become_lists(self):
        body = call(lambda raw_data: json.loads(raw_data), method="GET", query="a=1&b=[1,2]&c=a&d=null&e=x&e=2").body
        self.assertEqual(json.loads(body), {"a": 1, "b": [1, 2], "c": "a", "d": None, "e": ["x", 2]})

    def test_request_headers_are_filled_where_they_are_asked_for(self):
        fake_host.HEADERS[:] = [("content-type", "text/plain"), ("x-my-id", "7")]
        body = call(lambda data, request_headers: request_headers).body
        self.assertEqual(json.loads(body), {"Content-Type": "text/plain", "X-My-Id": "7"})

    def test_rawhttp_gives_the_request_and_takes_a_response(self):
        fake_host.HEADERS[:] = [("content-type", "application/json; charset=utf-8")]

        @rawhttp
        def run(request):
            self.assertIsInstance(request, AMLRequest)
            self.assertEqual((request.method, request.args["k"], request.args.getlist("k")), ("PUT", "1", ["1", "2"]))
            self.assertEqual((request.get_json(), request.headers["CONTENT-TYPE"]), ([1], "application/json; charset=utf-8"))
            return AMLResponse(b"\xff\x00", 201, {"content-type": "image/jpeg", "X-Two": "2"})

        response = call(run, b"[1]", "PUT", "k=1&k=2")
        self.assertEqual((response.status, response.body), (201, b"\xff\x00"))
        self.assertEqual(response.headers, [("Content-Type", "image/jpeg"), ("X-Two", "2")])
        self.assertTrue(component(run).describe().raw_http)

    def test_forms_are_fields_and_files_and_wrong_ones_are_refused(self):
        def form_of(kind, body):
            fake_host.HEADERS[:] = [("content-type", kind)]
            seen = []

            @rawhttp
            def run(request):
                seen.append((request.form.to_dict(flat=False), [(name, file.read()) for name, file in request.files.items()]))

            call(run, body)
            return seen[0]

        multipart = "multipart/form-data; boundary=b"
        part = b'--b\r\nContent-Disposition: form-data; name="a"%s\r\n\r\n1\r\n'
        self.assertEqual(form_of("application/x-www-form-urlencoded", b"a=1&a=%20"), ({"a": ["1", " "]}, []))
        self.assertEqual(form_of(multipart, part % b"" + part % b'; filename="x"' + b"--b--"), ({"a": ["1"]}, [("a", b"1")]))
        self.assertEqual(form_of(multipart, b"--b--"), ({}, []))
        self.assertEqual(form_of("text/plain", b"a=1"), ({}, []))
        for kind, body, says in [
            (multipart, b"", "closing boundary"), (multipart, part % b"", "closing boundary"), (multipart, b"--b\r\nx\r\n--b--", "closing"),
            (multipart, b"--b\r\n\r\n\r\n--b--", "has no name"), ("multipart/form-data", b"", "boundary"),
            (multipart, part % b"" * 1001 + b"--b--", "1000 parts"),
            ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1001), "cannot be read"),
        ]:
            with self.assertRaises(fake_host.Err) as raised:
                form_of(kind, body)
            self.assertEqual(raised.exception.value.kind, fake_host.FailureKind.INVALID_INPUT)
            self.assertIn(says, raised.exception.value.message)

    def test_declared_inputs_become_arguments_and_a_schema(self):
        @input_schema("data", StandardPythonParameterType([{"a": 1.5}]))
        @input_schema("deep", StandardPythonParameterType(b"xy"))
        @output_schema(StandardPythonParameterType([1]))
        def run(data, deep=b""):
            return [len(data), len(deep)]

        self.assertEqual(call(run, b'{"data": [{"a": 1}], "deep": "eHl6"}').body, b"[1, 3]")
        schema = json.loads(component(run).describe().input_schema)
        self.assertEqual(schema["properties"]["data"]["items"]["properties"], {"a": {"type": "number", "format": "double"}})
        self.assertEqual(schema["properties"]["deep"], {"type": "string", "format": "byte"})
        self.assertEqual(schema["example"], {"data": [{"a": 1.5}], "deep": "eHk="})
        for body, says in [(b"", "empty"), (b"{", "decoded"), (b"[1]", "dictionary"), (b'{"deep": ""}', "'data'")]:
            with self.assertRaises(fake_host.Err) as raised:
                call(run, body)
            self.assertEqual(raised.exception.value.kind, fake_host.FailureKind.INVALID_INPUT)
            self.assertIn(says, raised.exception.value.message)

    def test_nested_types_are_converted_and_null_is_for_optional_arguments(self):
        kind = StandardPythonParameterType({"rows": StandardPythonParameterType([StandardPythonParameterType(b"xy")])})

        @input_schema("data", kind)
        @input_schema("more", StandardPythonParameterType(1), optional=True)
        def run(data, more=None):
            return [[row.decode() for row in data["rows"]], more]

        self.assertEqual(call(run, b'{"data": {"rows": ["eHk=", "eg=="]}}').body, b'[["xy", "z"], null]')
        self.assertEqual(call(run, b'{"data": {"rows": []}, "more": null}').body, b"[[], null]")
        self.assertEqual(call(run, b'{"data": {"rows": []}, "more": 2}').body, b"[[], 2]")
        for body in [b'{"data": null}', b'{"data": {"rows": 1}}', b'{"data": {"rows": []}, "more": "x"}']:
            with self.assertRaises(fake_host.Err):
                call(run, body)

    def test_what_run_raises_becomes_a_failure_and_its_traceback_is_logged(self):
        def raising(error):
            def run(raw_data):
                raise error
            return run

        cases = [
            (ValueError("secret"), "INTERNAL", "run() raised ValueError"), (BadRequest("too small"), "INVALID_INPUT", "too small"),
            (HostError("deadline", "too late"), "DEADLINE", "too late"), (SystemExit(3), "INTERNAL", "SystemExit"),
        ]
        for error, kind, says in cases:
            fake_host.LOG.clear()
            with self.assertRaises(fake_host.Err) as raised:
                call(raising(error))
            failure = raised.exception.value
            self.assertEqual(failure.kind.name, kind)
            self.assertIn(says, failure.message)
            self.assertNotIn("secret", failure.message)
            self.assertIn("Traceback", fake_host.LOG[-1][1])

    def test_a_module_that_is_no_script_is_refused_when_it_is_built(self):
        for run in (lambda: 1, lambda *data: 1, lambda request_headers: 1):
            with self.assertRaises(TypeError):
                component(run)


class Surroundings(unittest.TestCase):
    def test_variables_model_files_and_logging_are_the_hosts(self):
        fake_host.VARIABLES["THRESHOLD"] = "0.5"

        def run(raw_data):
            logging.info("asked for %s", raw_data)
            folder = os.environ["AZUREML_MODEL_DIR"]
            with open(os.path.join(folder, "labels.txt")) as file:
                lines = file.read().split()
            return [os.getenv("THRESHOLD"), os.getenv("NOT_SET"), lines, Path(folder, "labels.txt").read_bytes().decode()]

        self.assertEqual(json.loads(call(run, b"it").body), ["0.5", None, ["one", "two"], "one\ntwo\n"])
        self.assertIn(("INFO", "asked for it"), fake_host.LOG)
        with self.assertRaises(FileNotFoundError):
            open(os.environ["AZUREML_MODEL_DIR"] + "/nothing.txt")


    def test_imports_inside_functions_are_loaded_beforehand(self):
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "script.py")
            script.write_text("def run(data):\n    import this_is_absent\n    from wsgiref import headers\n")
            sys.modules.pop("wsgiref.headers", None)
            preload(types.SimpleNamespace(__file__=str(script)))
        self.assertIn("wsgiref.headers", sys.modules)


class Tensors(unittest.TestCase):
    def test_lists_go_in_and_out_for_every_dtype(self):
        for dtype in DType:
            values = [[True, False]] if dtype is DType.BOOL else [[b"a", b""]] if dtype is DType.BYTES else [[1, 2]]
            for name in (dtype, dtype.value, dtype.value.upper()):
                tensor = Tensor.from_list(name, [1, 2], values)
                self.assertEqual((tensor.dtype, tensor.shape, tensor.tolist()), (dtype, (1, 2), values))
        self.assertEqual(Tensor.from_list("INT64", [], 5).tolist(), 5)
        self.assertEqual(Tensor.from_list("fp32", [0, 3], []).tolist(), [])
        self.assertEqual(Tensor.from_list("bytes", [1], ["é"]).tolist(), ["é".encode()])
        with self.assertRaises(ValueError):
            Tensor.from_list("float", [1], [1])

    def test_buffers_keep_dtype_and_shape(self):
        tensor = Tensor.from_buffer(memoryview(array("d", [1, 2, 3, 4])).cast("B").cast("d", (2, 2)))
        self.assertEqual((tensor.dtype, tensor.shape, tensor.tolist()), (DType.FP64, (2, 2), [[1, 2], [3, 4]]))
        view = tensor.__buffer__(0)
        self.assertEqual((view.format, view.shape, view[1, 0]), ("d", (2, 2), 3.0))
        self.assertEqual(tensor[1:2].tolist(), [[3, 4]])
        self.assertEqual(tensor.reshape(4).tolist(), [1, 2, 3, 4])

    def test_operations_pass_handles_and_name_their_choices(self):
        tensor = Tensor.from_list("fp32", [2], [1, 2])
        handle, calls = tensor._handle, fake_host.CALLS
        calls.clear()
        self.assertIsInstance(operations.slice_axes(tensor, slice(None), slice(1, -1, 2)), Tensor)
        operations.add(tensor, tensor)
        operations.divide(tensor, 2)
        operations.compare("greater-equal", tensor, 1)
        operations.reduce("mean", tensor)
        operations.normalize(tensor, mean=0.5, reverse=True)
        operations.decode(b"\x89PNG", color="grey")
        operations.crop_quad(tensor, [(0, 0), (1, 0), (1, 1), (0, 1)], 4, 5)
        values, indices = operations.top_k(tensor, 3)
        self.assertEqual((values.shape, indices.shape), ((0,), (0,)))
        boxed = operations.letterbox(tensor, 8, 8, fill=114)
        self.assertEqual((boxed.scale, boxed.top, boxed.left, boxed.height, boxed.width), (0.5, 1, 2, 3, 4))
        names = [name for name, *_ in calls]
        self.assertEqual(names, "slice arithmetic arithmetic_scalar compare reduce normalize decode crop_quad top_k letterbox".split())
        self.assertEqual(calls[0][1:], (handle, [dict(start=None, end=None, step=1), dict(start=1, end=-1, step=2)]))
        self.assertEqual((calls[1][1].name, calls[2][1].name, calls[2][3]), ("ADD", "DIVIDE", 2.0))
        self.assertEqual((calls[3][1].name, calls[4][1].name), ("GREATER_EQUAL", "MEAN"))
        wanted = calls[5][2]
        self.assertEqual((wanted["mean"], wanted["std"], wanted["reverse"], wanted["to"].name), ([0.5], [], True, "CHANNELS_FIRST"))
        self.assertEqual((calls[6][1].data(), calls[6][2]["color"].name), (b"\x89PNG", "GREY"))
        with self.assertRaisesRegex(ValueError, "'cubic' is none of nearest, bilinear, bicubic"):
            operations.resize(tensor, 2, 2, interpolation="cubic")
        with self.assertRaises(TypeError):
            operations.matmul(tensor, [1])

    def test_scorers_of_tensors_declare_their_signature_and_run(self):
        spec = TensorSpec("x", "fp32", [-1])
        scorer = component(lambda inputs: {"y": Model.open("digits").run(inputs)["x"]}, INPUTS=[spec], OUTPUTS=[spec])
        self.assertEqual(scorer.signature()[0][0].name, "x")
        tensor = Tensor.from_list("fp32", [2], [1, 2])
        outputs = scorer.run([fake_host.NamedTensor("x", tensor._handle)])
        self.assertEqual([(named.name, Tensor(named.tensor).tolist()) for named in outputs], [("y", [1, 2])])
        with self.assertRaises(fake_host.Err):
            component(lambda inputs: {"y": [1]}, INPUTS=[], OUTPUTS=[]).run([])


if __name__ == "__main__":
    unittest.main()
