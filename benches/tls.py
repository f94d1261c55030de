"""What does TLS cost? Identity FP32 [1,16] without a scorer, plain and over TLS 1.3, in turns in one run.

    python3 benches/tls.py [--seconds 2] [--rounds 3]

Prints requests per second, server CPU-ms per request, and their ratio. Needs `h2load`, the release build and `.models/`.
"""

import argparse
import statistics
import sys

from harness import MODELS, Scorehost, free_port, infer_binary, infer_grpc, measure, require, table

CONNECTIONS = (1, 8, 32)


class Secure(Scorehost):
    """A server behind its own certificate; the address of its metrics tells that it is up."""

    def __init__(self):
        self.metrics = free_port()
        super().__init__(arguments=("--tls-self-signed", "--metrics", f"127.0.0.1:{self.metrics}"))
        self.url = f"https://localhost:{self.http}"
        certificate = self.data_dir / "tls" / "self-signed-cert.pem"
        self.environment = self.environment | {"SCOREHOST_CA": str(certificate)}

    def ready_url(self) -> str:
        return f"http://127.0.0.1:{self.metrics}/metrics"


def main() -> int:
    arguments = parse_arguments()
    require("h2load", "apt-get install nghttp2-client")
    with Scorehost() as plain, Secure() as secure:
        for host in (plain, secure):
            host.cli("model", "register", "--name", "identity", "--path", MODELS / "identity_fp32.onnx")
            host.cli("deploy", "-n", "identity", "-m", "identity:1")
        rows = [row for count in CONNECTIONS for row in compared(plain, secure, count, arguments)]
    print(table(["case", "connections", "plain/s", "TLS/s", "plain CPU-ms", "TLS CPU-ms", "× plain"], rows))
    return 0


def compared(plain: Scorehost, secure: Secure, count: int, arguments: argparse.Namespace) -> list[list]:
    """In turns, so that whatever else the machine does falls on both; the median of the rounds."""
    rows = []
    for case in ("HTTP binary", "gRPC"):
        rounds = [
            [measure(load(host, case), count, host.pid, arguments.seconds) for host in (plain, secure)]
            for _ in range(arguments.rounds)
        ]
        rate = [statistics.median(result[side].rate for result in rounds) for side in (0, 1)]
        cpu = [statistics.median(result[side].cpu_ms for result in rounds) for side in (0, 1)]
        rows.append([case, count, *rate, *cpu, cpu[1] / cpu[0]])
    return rows


def load(host: Scorehost, case: str):
    if case == "HTTP binary":
        return infer_binary(host.url, "identity")
    load = infer_grpc(host.grpc, "identity")
    load.url = load.url.replace("http://", "https://") if isinstance(host, Secure) else load.url
    return load


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
