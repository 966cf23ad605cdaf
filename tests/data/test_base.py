"""The protocol class: scaling, binarization, and the likelihoods that it refuses."""

import numpy as np
import pytest
import torch

from prioria.data import DataError, Protocol, Split, check_likelihood, load
from prioria.data.splits import assemble


def protocol(**changes) -> Protocol:
    fields = {
        "name": "toy", "title": "Toy", "shape": (3,), "kind": "grey", "binarization": "none",
        "likelihoods": ("Gaussian",), "split": "given", "source": "here",
    }  # fmt: skip
    return Protocol(**(fields | changes))


def test_scaling_is_exact_and_invertible():
    grey = protocol(shift=0.5, scale=256.0)
    values = torch.tensor([[0, 128, 255]], dtype=torch.uint8)
    x = Split(values, None, grey).batch(torch.tensor([0]))
    assert x.tolist() == [[0.5 / 256, 128.5 / 256, 255.5 / 256]]
    assert torch.equal(grey.unscaled(x), values.float())


def test_scaling_by_column():
    columns = protocol(shift=(1.0, 0.0, -2.0), scale=(2.0, 1.0, 4.0))
    assert columns.scaled(torch.tensor([[3.0, 3.0, 6.0]])).tolist() == [[2.0, 3.0, 1.0]]


def test_dynamic_training_rows_follow_their_probabilities():
    dynamic = protocol(binarization="dynamic", scale=16.0)
    part = (np.tile(np.array([[0, 4, 16]], np.uint8), (20000, 1)), None)
    x = assemble(dynamic, part, part, part).train.tensor()
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert x[:, 0].sum() == 0 and x[:, 2].sum() == len(x)
    error = (0.25 * 0.75 / len(x)) ** 0.5
    assert abs(x[:, 1].mean() - 0.25) < 3.9 * error  # two-sided false alarm 1e-4


def test_dynamic_training_rows_are_drawn_from_the_global_generator():
    train, indices = load("digits").train, torch.arange(5)
    torch.manual_seed(3)
    first, second = train.batch(indices), train.batch(indices)
    torch.manual_seed(3)
    assert torch.equal(train.batch(indices), first)
    assert not torch.equal(first, second)


def test_rows_on_a_device_are_read_scaled_and_drawn_there(tmp_path):
    """The meta device holds no numbers, so that whatever reached for the CPU's would raise."""
    dynamic = protocol(binarization="dynamic", scale=(16.0, 8.0, 4.0))
    rows = Split(torch.zeros(7, 3, dtype=torch.uint8), None, dynamic, fresh=True)
    batch = rows.to("meta").batch(torch.tensor([6, 0]))
    assert batch.device.type == "meta" and batch.shape == (2, 3) and batch.dtype == torch.float32
    np.save(tmp_path / "rows.npy", np.ones((7, 3), np.float32))
    mapped = Split(np.load(tmp_path / "rows.npy", mmap_mode="r"), None, protocol())
    assert mapped.to("meta").batch(torch.tensor([6, 0])).tolist() == [[1.0] * 3] * 2


def test_held_out_rows_are_drawn_once_by_numpy_seed_777():
    dynamic = protocol(binarization="dynamic", scale=255.0)
    values = np.arange(60, dtype=np.uint8).reshape(20, 3) * 4
    loaded = assemble(dynamic, (values, None), (values[:8], None), (values[8:], None))
    np.random.seed(777)
    expected = [np.random.binomial(1, rows / np.float32(255)) for rows in (values[:8], values[8:])]
    assert np.array_equal(loaded.validation.tensor().numpy(), expected[0])
    assert np.array_equal(loaded.test.tensor().numpy(), expected[1])
    assert torch.equal(loaded.test.batch(torch.tensor([1])), loaded.test.batch(torch.tensor([1])))


def test_mean_of_a_dynamic_split_is_its_mean_probability():
    from sklearn.datasets import load_digits

    digits = load("digits")
    values = load_digits().data[np.random.default_rng(0).permutation(1797)[:1297]]
    assert np.allclose(digits.train.mean().numpy(), values.mean(0) / 16, atol=1e-6)


def test_fewer_rows_come_at_even_distances_from_all_of_a_sorted_file():
    rows = torch.arange(10).repeat_interleave(5)[:, None].expand(50, 3).clone()
    sorted_by_class = Split(rows=rows, labels=None, protocol=protocol())
    assert torch.equal(sorted_by_class.tensor(10), rows[::5].float())
    assert len(sorted_by_class.tensor(7).unique(dim=0)) == 7
    for limit in (50, 10**6, None):
        assert torch.equal(sorted_by_class.tensor(limit), rows.float())
    for limit in (0, -1):
        with pytest.raises(ValueError, match=f"limit={limit} must be at least 1"):
            sorted_by_class.tensor(limit)


def test_labels_must_match_rows():
    with pytest.raises(DataError, match="2 labels for 4 rows"):
        Split(torch.zeros(4, 3), torch.zeros(2), protocol())


def test_rows_must_match_the_shape():
    with pytest.raises(DataError, match=r"expected \(N, 3\)"):
        Split(torch.zeros(4, 2), None, protocol())


def test_bernoulli_on_grey_is_refused_with_the_remedy():
    with pytest.raises(DataError, match="binarize='dynamic'"):
        check_likelihood(load(np.linspace(0, 1, 40).reshape(20, 2)).protocol, "Bernoulli")
    with pytest.raises(DataError, match="use Gaussian, or a set of bits, such as mnist") as caught:
        check_likelihood(protocol(), "Bernoulli")  # that of a set with a name takes no options
    assert "binarize" not in str(caught.value) and "relaxed" not in str(caught.value)
    check_likelihood(protocol(), "Bernoulli", relaxed=True)
    check_likelihood(protocol(), "Gaussian")


def test_relaxed_does_not_excuse_other_kinds():
    with pytest.raises(DataError, match="continuous"):
        check_likelihood(protocol(kind="continuous"), "Bernoulli", relaxed=True)
