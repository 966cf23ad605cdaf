"""Encoder, decoder and sampler of a model as ONNX and as torch.export programs, for use without prioria.

The encoder gives the mean and the log-variance of every group's posterior, the groups above at their means; the decoder
gives the mean of p(x|z), and the sampler turns noise into both. All are deterministic, take any number of rows, and are
checked against the model.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.export import Dim, ExportedProgram

from prioria.atomic import check_place
from prioria.model import VAE, evaluation_mode
from prioria.programs import Decoder, Encoder, Sampler, Treatment, described
from prioria.stage import check_decided
from prioria.storage import discard, write_atomically, write_json

TOLERANCE = 1e-5  # relative and absolute, of every output of an exported file
CARD = "export.json"
Program = Encoder | Decoder | Sampler
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def export(model: VAE, x: Float[Tensor, "B D"], folder: str | Path, *, onnx: bool = True) -> list[Path]:
    r"""Writes encoder, decoder and sampler into a folder as ``.pt2`` (torch.export) and ``.onnx``, checked to 1e-5.

    The treatment of rows is part of them: the encoder maps rows ``x`` (B, *shape) in the units of the data to
    ``<group>_mean`` and ``<group>_log_variance``, the decoder the groups to ``x_mean``; names are codes of levels, bits
    may be their probabilities. The sampler maps noise, ``<group>_normal`` (B, *event) and ``<group>_uniform`` (B,), to
    ``x_mean`` and the groups; there is none where noise cannot be turned into a draw of the prior. ``export.json`` says
    what everything is, and stands in the metadata of the ONNX files. A model that came from no data set takes x flat,
    as its networks do.

    Args:
        model: the model.
        x: at least two rows as the networks read them (B, D), on which the files are checked.
        folder: where the files go.
        onnx: write ONNX too, which needs the extra ``onnx``; without it ONNX files of an earlier export are removed.

    Raises:
        ValueError: the packages for ONNX are missing, a posterior has no closed mean and variance or the likelihood no
            mean, gates of a graph are still random, a module cannot be traced or has no counterpart in ONNX, or what
            was written differs from the model.

    Example:
        >>> import tempfile
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in export(model, torch.zeros(3, 6), folder, onnx=False)]
        ['encoder.pt2', 'decoder.pt2', 'sampler.pt2', 'export.json']
    """
    if onnx:
        _check_packages()
    check_folder(Path(folder))
    if len(x) < 2:
        raise ValueError(f"x has {len(x)} rows; give at least two, so that the number of rows stays free")
    check_decided(model.stages)
    treatment = Treatment.of(model)
    try:
        with evaluation_mode(model), torch.no_grad(), _unvalidated():
            z = tuple(mean[0].contiguous() for _, _, mean in _closed_means(model, x))
            rows = treatment.back(x).contiguous()
            parts = {"encoder": (Encoder(model, treatment), (rows,)), "decoder": (Decoder(model, treatment), z)}
            missing = ""
            try:
                sampler = Sampler(model, treatment)
                noise = sampler.noise(len(x))
                sampler(*noise)
                parts["sampler"] = (sampler, noise)
            except ValueError as error:
                missing = str(error)
            facts = described(model, treatment, {name: module for name, (module, _) in parts.items()}, missing)
            files = [_files(name, module, inputs, onnx, facts) for name, (module, inputs) in parts.items()]
    except RuntimeError as error:
        raise ValueError(f"model: torch cannot export it ({_reason(error)}); change that module's forward") from error
    discard(Path(folder), r"(encoder|decoder|sampler)\.(onnx|pt2)")  # of another model, perhaps
    written = [_write(Path(folder) / name, content) for part in files for name, content in part.items()]
    write_json(Path(folder) / CARD, facts | {"files": {path.name: _digest(path) for path in written}})
    return [*written, Path(folder) / CARD]


@contextmanager
def _unvalidated() -> Iterator[None]:
    """No distribution checks its values: a check is a branch on data, which no program has."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


def check_folder(folder: Path) -> None:
    """Raises OSError or ValueError, before the work, where the files of :func:`export` cannot be written."""
    check_place(folder / CARD)


def _closed_means(model: VAE, x: Tensor) -> list[tuple[str, torch.distributions.Distribution, Tensor]]:
    found = list(model.at_means(x))
    for name, q, _ in found:
        try:
            _ = q.mean, q.variance
        except NotImplementedError:
            raise ValueError(
                f"group {name!r} has a posterior without a closed mean and variance, so no deterministic encoder; "
                "export a model with a Gaussian or Bernoulli posterior"
            ) from None
    return found


def _reason(error: BaseException) -> str:
    """Returns the first line of the first error, which torch wraps in advice to its developers."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _files(
    name: str, module: Program, inputs: tuple[Tensor, ...], onnx: bool, facts: Mapping[str, Any]
) -> dict[str, bytes]:
    expected = module(*inputs)
    if not all(output.isfinite().all() for output in expected):
        raise ValueError(f"{name}: {', '.join(module.outputs)} of this model are not finite numbers; nothing to export")
    program = _program(module, inputs)
    _check(f"{name}.pt2", program.module()(*inputs), expected)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    files = {f"{name}.pt2": buffer.getvalue()}
    if onnx:
        files[f"{name}.onnx"] = content = _onnx(program, module, facts)
        _check(f"{name}.onnx", _run_onnx(content, dict(zip(module.inputs, inputs, strict=True))), expected)
    return files


def _program(module: Program, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    rows = tuple({0: Dim("rows")} for _ in inputs)
    shapes = rows if isinstance(module, Encoder) else (rows,)  # the inputs of the others are one variadic argument
    return torch.export.export(module, inputs, dynamic_shapes=shapes)


def _onnx(program: ExportedProgram, module: Program, facts: Mapping[str, Any]) -> bytes:
    with _without_its_own_notes():
        made = torch.onnx.export(
            program,
            dynamo=True,
            input_names=module.inputs,
            output_names=module.outputs,
            custom_translation_table={torch.ops.prims.hypot.default: _hypot},
            verbose=False,
        )
    assert made is not None
    content = made.model_proto
    entry = content.metadata_props.add()
    entry.key, entry.value = "prioria", json.dumps(facts)
    return content.SerializeToString()


@contextmanager
def _without_its_own_notes() -> Iterator[None]:
    """The exporter notes what torch itself deprecates, and packages that no model here needs."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(category=FutureWarning, action="ignore"):
            yield
    finally:
        log.setLevel(level)


def _hypot(x: Any, y: Any) -> Any:
    """Returns sqrt(x^2 + y^2), which fused posteriors need and ONNX has not; no square overflows."""
    import onnxscript

    ops: Any = onnxscript.opset18
    larger = ops.Max(x, y)
    ratio = ops.Div(ops.Min(x, y), larger)
    one = ops.CastLike(ops.Constant(value_float=1.0), ratio)  # ONNX adds no number of one precision to one of another
    return ops.Mul(larger, ops.Sqrt(ops.Add(one, ops.Mul(ratio, ratio))))


def _run_onnx(content: bytes, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Missing

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Missing as error:  # softplus of double precision, for one
        raise ValueError(f"model: onnxruntime cannot run it ({_reason(error)}); export model.float()") from error
    return [torch.from_numpy(output) for output in session.run(None, {k: v.numpy() for k, v in inputs.items()})]


def _check(name: str, found: tuple[Tensor, ...] | list[Tensor], expected: tuple[Tensor, ...]) -> None:
    for one, other in zip(found, expected, strict=True):
        if not torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE):
            error = (one - other).abs().max().item()
            raise ValueError(f"{name} differs from the model by {error:.2g}, more than {TOLERANCE}; it was not written")


def _check_packages() -> None:
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"onnx: {', '.join(missing)} missing; pip install 'prioria[onnx]', or leave ONNX out")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, content: bytes) -> Path:
    def write(file: Path) -> None:
        file.write_bytes(content)

    write_atomically(path, write)
    return path
