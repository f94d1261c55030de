"""What `test_kserve.py` runs in a process of its own: `kserve_client.py rest URL` or `kserve_client.py grpc HOST:PORT`.

kserve and tritonclient each register a Protocol Buffers file `grpc_service.proto`; one process cannot hold both.
"""

import asyncio
import sys

import numpy as np
from arrays import IDENTITIES, sample
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

# kserve's own element codec knows neither BOOL arrays in gRPC contents nor every JSON form; what it sends goes through `binary`.
JSON_TYPES = ("INT32", "INT64", "UINT8", "FP32", "FP64", "BYTES", "BOOL")


def request(service: str, name: str, array: np.ndarray, binary: bool) -> InferRequest:
    given = InferInput("INPUT0", list(array.shape), name)
    given.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(service, [given])


def check(answer, name: str, array: np.ndarray) -> None:
    (output,) = answer.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("OUTPUT0", name, list(array.shape)), output
    got = output.as_numpy()
    if name == "BYTES":
        got = np.array([item.encode() if isinstance(item, str) else item for item in got.flat], dtype=object)
        got = got.reshape(array.shape)
    np.testing.assert_array_equal(got, array)


async def over_rest(url: str) -> int:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "identity-fp32")
    done = 0
    for service, name, dtype in IDENTITIES:
        for binary in (False, True):
            if not binary and name not in JSON_TYPES:
                continue
            array = sample(dtype)
            answer = await client.infer(url, request(service, name, array, binary), model_name=service)
            check(answer, name, array)
            done += 1
    await client.close()
    return done


async def over_grpc(address: str) -> int:
    client = InferenceGRPCClient(address)
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("identity-fp32")
    done = 0
    for service, name, dtype in IDENTITIES:
        array = sample(dtype)
        check(await client.infer(request(service, name, array, True)), name, array)
        done += 1
    await client.close()
    return done


if __name__ == "__main__":
    door, address = sys.argv[1:]
    print(asyncio.run({"rest": over_rest, "grpc": over_grpc}[door](address)), "inferences")
