"""Lists against brute force, ties, exhausted catalogues, bad numbers."""

import pytest
import torch

from models.errors import ScoresNotFinite
from models.parameters import Parameters
from models.ratings import RowLists, group_rows
from models.scoring import TopBlock, _pair_blocks, n_common_users, similar_items, top_n, top_n_by

N_USERS, N_ITEMS = 30, 50


def random_parameters() -> Parameters:
    draw = torch.Generator().manual_seed(1)
    sizes = ((N_USERS, 4), (N_ITEMS, 4), (N_USERS,), (N_ITEMS,))
    user_factors, item_factors, user_bias, item_bias = (torch.randn(size, generator=draw) for size in sizes)
    return Parameters(user_factors, item_factors, user_bias, item_bias, y_range=(0.5, 5.5), global_mean=3.5)


def random_seen(share: float) -> RowLists:
    pairs = (torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(2)) < share).nonzero()
    return group_rows(pairs[:, 0], pairs[:, 1], None, N_USERS)


def seen_by(seen: RowLists, user: int) -> set[int]:
    return set(seen.code[int(seen.offsets[user]) : int(seen.offsets[user + 1])].tolist())


def brute_force(scores: list[float], left_out: set[int], n: int) -> list[int]:
    unseen = [item for item in range(len(scores)) if item not in left_out]
    return sorted(unseen, key=lambda item: (-scores[item], item))[:n]


def only(blocks: list[TopBlock]) -> TopBlock:
    assert len(blocks) == 1
    return blocks[0]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("n", [1, 10, 60])
def test_lists_are_those_of_brute_force(share: float, n: int) -> None:
    parameters, seen = random_parameters(), random_seen(share)
    users = torch.arange(N_USERS).flip(0)
    for block in top_n(parameters, users, seen, n, block_users=7):
        scores = parameters.scores(block.user_code)
        for row, user in enumerate(block.user_code.tolist()):
            expected = brute_force(scores[row].tolist(), seen_by(seen, user), n)
            n_valid = int(block.n_valid[row])
            assert block.item_code[row, :n_valid].tolist() == expected
            assert block.item_code[row, n_valid:].eq(-1).all()
            assert block.score[row, n_valid:].eq(-torch.inf).all()
            assert torch.equal(block.score[row, :n_valid], scores[row, expected])
            assert block.score.shape == (len(block.user_code), n)


def test_every_user_asked_for_comes_once_in_order() -> None:
    users = torch.tensor([5, 3, 29])
    blocks = list(top_n(random_parameters(), users, random_seen(0.3), 5, block_users=2))
    assert torch.cat([block.user_code for block in blocks]).tolist() == [5, 3, 29]


def test_among_equal_scores_the_lower_item_comes_first() -> None:
    """Few different scores, so that ties stand inside lists and across their ends."""
    scores = torch.randint(0, 4, (N_USERS, 1000), generator=torch.Generator().manual_seed(4)).float()
    seen = random_seen(0.5)
    block = only(list(top_n_by(lambda users: scores[users].clone(), torch.arange(N_USERS), seen, 20)))
    for user in range(N_USERS):
        assert block.item_code[user].tolist() == brute_force(scores[user].tolist(), seen_by(seen, user), 20)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_not_finite_raises(bad: float) -> None:
    parameters = random_parameters()
    parameters.item_bias[17] = bad
    with pytest.raises(ScoresNotFinite, match="30 of 1,500 scores"):
        list(top_n(parameters, torch.arange(N_USERS), random_seen(0.3), 5))
    with pytest.raises(ScoresNotFinite):
        similar_items(torch.tensor([[1.0], [bad]]), 1)


def test_similar_items_worked_by_hand() -> None:
    """Directions 0, 90, 45 degrees and none."""
    factors = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 3.0], [0.0, 0.0]])
    code, similarity = similar_items(factors, 2)
    assert code.tolist() == [[2, 1], [2, 0], [0, 1], [0, 1]]
    root = 0.5**0.5
    torch.testing.assert_close(similarity, torch.tensor([[root, 0], [root, 0], [root, root], [0.0, 0.0]]))


@pytest.mark.parametrize("n", [3, 100])
def test_similar_items_against_brute_force(n: int) -> None:
    factors = random_parameters().item_factors
    code, similarity = similar_items(factors, n, block=7)
    assert code.shape == similarity.shape == (N_ITEMS, min(n, N_ITEMS - 1))
    cosine = torch.nn.functional.cosine_similarity(factors.unsqueeze(1), factors.unsqueeze(0), dim=2)
    for item in range(N_ITEMS):
        assert item not in code[item]
        torch.testing.assert_close(similarity[item], cosine[item, code[item]])
        torch.testing.assert_close(similarity[item], cosine[item].sort(descending=True).values[1 : n + 1])


def test_one_item_has_no_neighbours() -> None:
    assert similar_items(torch.ones(1, 3), 5)[0].shape == (1, 0)


@pytest.mark.parametrize("block_entries", [1, 100, 4_000_000])
def test_common_users_are_those_of_brute_force(block_entries: int) -> None:
    seen = random_seen(0.3)
    position, entry = seen.entries_of(torch.arange(N_USERS))
    raters = group_rows(seen.code[entry], position, None, N_ITEMS)
    item, other = torch.cartesian_prod(torch.arange(N_ITEMS), torch.arange(N_ITEMS)).T
    flags = torch.zeros(N_ITEMS, N_USERS)
    flags[seen.code, position] = 1
    expected = (flags @ flags.T).long()
    assert torch.equal(n_common_users(item, other, raters, block_entries), expected[item, other])


@pytest.mark.parametrize("entries", [1, 5])
def test_pairs_are_looked_up_in_bounded_blocks(entries: int) -> None:
    long, work = torch.arange(40) % 8, torch.full((40,), entries)
    blocks = list(_pair_blocks(long, work, n_users=10, block_entries=30))
    assert torch.cat(blocks).sort().values.tolist() == list(range(40))
    for pairs in blocks:
        assert torch.unique(long[pairs]).numel() * 10 <= 30
        assert work[pairs].sum() <= 30 + entries


def test_no_pairs_and_no_ratings_have_no_common_users() -> None:
    nothing = torch.tensor([], dtype=torch.int64)
    unrated = RowLists(torch.zeros(3, dtype=torch.int64), nothing)
    assert n_common_users(nothing, nothing, unrated).tolist() == []
    assert n_common_users(torch.tensor([0]), torch.tensor([1]), unrated).tolist() == [0]
