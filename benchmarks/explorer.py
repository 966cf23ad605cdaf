"""``python -m benchmarks.explorer [RUN]``: from a point under the pointer to its picture, through the socket."""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch
import uvicorn
from websockets.sync.client import connect

from prioria import VAE, data, likelihoods, nets, posteriors, priors
from prioria.train import Run
from prioria.ui import application

TOKEN, WIDTH, LATENTS, POINTS = "benchmark", 300, 40, 500


def main(run: Path | Run) -> dict[str, float]:
    """Returns milliseconds: the median of all round trips, and what one in twenty exceeds."""
    served = {"host": "127.0.0.1", "port": 0, "log_level": "error", "ws": "websockets-sansio"}
    server = uvicorn.Server(uvicorn.Config(application([run], TOKEN), **served))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    taken = []
    with connect(f"ws://127.0.0.1:{port}/api/0/decode?token={TOKEN}", max_size=None) as socket:
        for number, point in enumerate(np.random.default_rng(0).normal(size=(POINTS, 2)).tolist()):
            start = time.perf_counter()
            socket.send(json.dumps({"id": number, "points": [point]}))
            if isinstance(socket.recv(), str):
                raise RuntimeError("the explorer answered with an error")
            taken.append(1000 * (time.perf_counter() - start))
    server.should_exit = True
    thread.join()
    later = taken[10:]  # the first load the run
    return {"median": statistics.median(later), "95 %": statistics.quantiles(later, n=20)[-1]}


def _untrained() -> Run:
    """Two hidden layers of 300 on digits: what is timed does not depend on training."""
    torch.manual_seed(0)
    encoder, decoder = nets.GatedMLP(64, WIDTH, WIDTH, gated_output=True), nets.GatedMLP(LATENTS, WIDTH, WIDTH, 64)
    parts = {"posterior": posteriors.Gaussian(WIDTH, LATENTS), "prior": priors.StandardNormal(LATENTS)}
    model = VAE(encoder=encoder, likelihood=likelihoods.Bernoulli(decoder), **parts)
    return Run(model.eval(), data.load("digits"), [])


if __name__ == "__main__":
    for name, value in main(Path(sys.argv[1]) if len(sys.argv) > 1 else _untrained()).items():
        print(f"{name}: {value:.1f} ms")
