"""Predicting with parameters, keeping them in a file, refusing a damaged one."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.errors import CheckpointDamaged
from models.parameters import Parameters, Side

PARAMETERS = Parameters(
    user_factors=torch.tensor([[1.0, 0.0], [0.0, 2.0]]),
    item_factors=torch.tensor([[1.0, 1.0], [0.0, -1.0], [0.5, 0.5]]),
    user_bias=torch.tensor([0.0, 0.5]),
    item_bias=torch.tensor([-1.0, 0.0, 0.25]),
    y_range=(0.5, 5.5),
    global_mean=3.5,
)
FACTS = {"format_version": "1", "y_range": [0.5, 5.5], "global_mean": 3.5}
METADATA = {"overnight": json.dumps(FACTS)}


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def test_predictions_worked_by_hand() -> None:
    """User 0, item 0: 1*1 + 0*1 + 0 - 1 = 0, the middle. User 1, item 1: 0*0 - 2*1 + .5 + 0 = -1.5."""
    predicted = PARAMETERS.predict(torch.tensor([0, 1]), torch.tensor([0, 1]))
    torch.testing.assert_close(predicted, torch.tensor([3.0, 0.5 + 5 * sigmoid(-1.5)]))


def test_scores_of_a_block_are_those_of_the_pairs() -> None:
    scores = PARAMETERS.scores(torch.tensor([1, 0]))
    assert scores.tolist() == [[1.5, -1.5, 1.75], [0.0, 0.0, 0.75]]
    pairs = PARAMETERS.predict(torch.tensor([1, 1, 1]), torch.arange(3))
    torch.testing.assert_close(PARAMETERS.to_rating(scores[0]), pairs)


def test_predicting_in_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = torch.cartesian_prod(torch.arange(2), torch.arange(3))
    whole = PARAMETERS.predict(pairs[:, 0], pairs[:, 1])
    monkeypatch.setattr("models.parameters._BLOCK", 4)
    assert torch.equal(PARAMETERS.predict(pairs[:, 0], pairs[:, 1]), whole)


def test_predicting_no_pairs() -> None:
    nothing = torch.tensor([], dtype=torch.int64)
    assert PARAMETERS.predict(nothing, nothing).shape == (0,)


def test_the_average_user_and_item_stand_after_the_known_ones() -> None:
    extended = PARAMETERS.with_average()
    assert extended.user_factors[2].tolist() == [0.5, 1.0]
    assert extended.user_bias[2].item() == 0.25
    assert extended.item_factors[3].tolist() == [0.5, pytest.approx(1 / 6)]
    assert extended.predict(torch.tensor([2]), torch.tensor([0])).item() == pytest.approx(0.5 + 5 * sigmoid(0.75))


def test_more_users_and_items_follow_the_known_ones() -> None:
    more = Side(torch.zeros(1, 2), torch.zeros(1))
    extended = PARAMETERS.with_users(PARAMETERS.users.extended(more)).with_items(PARAMETERS.items.extended(more))
    assert (extended.n_users, extended.n_items) == (3, 4)


def test_round_trip_gives_the_same_bits(tmp_path: Path) -> None:
    odd = replace(PARAMETERS, y_range=(0.1, 5.3), global_mean=1 / 3)
    odd.save(tmp_path / "parameters.safetensors")
    loaded = Parameters.load(tmp_path / "parameters.safetensors")
    assert (loaded.y_range, loaded.global_mean) == (odd.y_range, odd.global_mean)
    for (name, kept), (_, tensor) in zip(odd.named_tensors(), loaded.named_tensors(), strict=True):
        assert torch.equal(kept, tensor), name


def test_the_same_parameters_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        PARAMETERS.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_cut_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.safetensors"
    PARAMETERS.save(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointDamaged, match=r"cut\.safetensors: not a sound checkpoint"):
        Parameters.load(path)


def test_a_flipped_bit_in_the_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flipped.safetensors"
    PARAMETERS.save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"user_bias")] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointDamaged):
        Parameters.load(path)


def test_a_flipped_bit_that_makes_a_number_infinite_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flipped.safetensors"
    replace(PARAMETERS, user_bias=torch.tensor([1.5, 1.5])).save(path)
    content = path.read_bytes().replace(torch.tensor([1.5]).numpy().tobytes(), b"\x00\x00\xc0\x7f", 1)  # 1.5 → NaN
    path.write_bytes(content)
    with pytest.raises(CheckpointDamaged, match="user_bias holds NaN or infinite values"):
        Parameters.load(path)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("user_factors", torch.zeros(2, 3)),
        ("item_factors", torch.zeros(2, 2)),
        ("user_bias", torch.zeros(2, 1)),
        ("item_bias", torch.zeros(3, dtype=torch.float64)),
    ],
)
def test_tensors_that_do_not_fit_together_are_refused(tmp_path: Path, name: str, tensor: torch.Tensor) -> None:
    path = tmp_path / "misfit.safetensors"
    PARAMETERS.save(path)
    save_file({**load_file(path), name: tensor}, path, metadata=METADATA)
    with pytest.raises(CheckpointDamaged, match="expected float32"):
        Parameters.load(path)


@pytest.mark.parametrize(
    "wrong",
    [{"format_version": "2"}, {"global_mean": "much"}, {"global_mean": None}, {"y_range": [5.5, 0.5]}, {"y_range": 5}],
)
def test_wrong_metadata_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = tmp_path / "wrong.safetensors"
    save_file(dict(PARAMETERS.named_tensors()), path, metadata={"overnight": json.dumps({**FACTS, **wrong})})
    with pytest.raises(CheckpointDamaged):
        Parameters.load(path)


def test_a_missing_tensor_or_metadata_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "less.safetensors"
    tensors = dict(PARAMETERS.named_tensors())
    save_file({name: tensor for name, tensor in tensors.items() if name != "item_bias"}, path, metadata=METADATA)
    with pytest.raises(CheckpointDamaged, match="item_bias"):
        Parameters.load(path)
    save_file(tensors, path)
    with pytest.raises(CheckpointDamaged, match="overnight"):
        Parameters.load(path)
