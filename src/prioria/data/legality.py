"""Which likelihoods give right numbers on which data."""

from __future__ import annotations

from prioria.data.base import OWN, Protocol
from prioria.data.errors import DataError


def check_likelihood(protocol: Protocol, likelihood: str, relaxed: bool = False) -> None:
    """Refuse a likelihood that gives wrong numbers on this data.

    Args:
        protocol: The protocol of the data.
        likelihood: Class name of the likelihood, for instance "Bernoulli".
        relaxed: Accept a Bernoulli on grey values in [0, 1]; its sum over pixels is then no log-probability.

    Raises:
        DataError: With the legal likelihoods and the remedy.

    >>> from prioria.data import load
    >>> check_likelihood(load("two-moons").protocol, "Bernoulli")
    Traceback (most recent call last):
    ...
    prioria.data.errors.DataError: two-moons: Bernoulli is not legal for continuous values; use Gaussian
    """
    if likelihood in protocol.likelihoods or (relaxed and likelihood == "Bernoulli" and protocol.kind == "grey"):
        return
    remedy = f"use {' or '.join(protocol.likelihoods)}"
    if likelihood == "Bernoulli" and protocol.kind == "grey":
        binary = ", load it with binarize='dynamic', or say relaxed=True (the result is then no likelihood)"
        remedy += binary if protocol.source == OWN else ", or a set of bits, such as mnist or mnist-static"
    raise DataError(f"{protocol.name}: {likelihood} is not legal for {protocol.kind} values; {remedy}")
