"""The `kserve` inference client over REST and gRPC."""

import asyncio

import numpy as np
from arrays import sample
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient, RESTConfig


def request(array: np.ndarray, binary: bool) -> InferRequest:
    given = InferInput("INPUT0", list(array.shape), "FP32")
    given.set_data_from_numpy(array, binary_data=binary)
    return InferRequest("identity-fp32", [given])


def test_rest_infers_and_asks_for_readiness(host):
    async def talk() -> None:
        client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
        assert await client.is_server_live(host.url)
        assert await client.is_server_ready(host.url)
        assert await client.is_model_ready(host.url, "identity-fp32")
        for binary in (False, True):
            array = sample(np.float32)
            answer = await client.infer(host.url, request(array, binary), model_name="identity-fp32")
            np.testing.assert_array_equal(answer.outputs[0].as_numpy(), array)
        await client.close()

    asyncio.run(talk())


def test_grpc_infers(host):
    async def talk() -> None:
        client = InferenceGRPCClient(host.grpc)
        array = sample(np.float32)
        assert await client.is_server_ready()
        answer = await client.infer(request(array, True))
        np.testing.assert_array_equal(answer.outputs[0].as_numpy(), array)
        await client.close()

    asyncio.run(talk())
