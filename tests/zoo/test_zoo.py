"""Every animal of the zoo meets its verdict, no record is lost, and an error changes nothing."""

import pytest

from tests.worlds import World
from tests.zoo.animals import ANIMALS, GOOD, Animal


@pytest.mark.parametrize("animal", ANIMALS, ids=lambda animal: animal.name)
def test_verdict(world: World, animal: Animal) -> None:
    world.put(animal.data, animal.file_name)
    if animal.error is not None:
        with pytest.raises(animal.error) as caught:
            world.ingest(*animal.overrides)
        assert animal.phrase in str(caught.value)
        assert "othing" in str(caught.value), "the message says what is now true"
        assert world.ledger() == []
        assert not any(world.home.landing.iterdir())
        return
    (entry,) = world.ingest(*animal.overrides).entries
    assert (entry.n_loaded, entry.n_duplicates, entry.n_quarantined) == (
        animal.loaded,
        animal.duplicates,
        len(animal.quarantined),
    )
    kept = world.rows("select line, reason from quarantine union all select line, null from ratings")
    assert {line: reason for line, reason in kept if reason} == animal.quarantined
    assert len(kept) == animal.loaded + len(animal.quarantined)
    assert len(world.ledger()) == 1, "and it balances"


def test_names_are_the_animals_own() -> None:
    assert len({animal.name for animal in ANIMALS}) == len(ANIMALS)


def test_a_message_never_shows_a_rating(world: World) -> None:
    world.put(GOOD.split(b"\n", 1)[1].replace(b"1,", b"6161,"))
    with pytest.raises(Exception, match="no column 'user'") as caught:
        world.ingest()
    assert "6161" not in str(caught.value)
