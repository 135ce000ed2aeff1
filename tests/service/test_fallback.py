"""Where the store's own object will not do, the replica's is given, and the alarm is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from service.encode import Codec
from service.errors import Altered, Missing
from service.exchange.exporter import export
from service.home import Home
from service.index import RevisionFacts
from service.retrieve import Retriever
from service.upkeep.jobs import reencrypt
from service.upkeep.replication import catch_up
from tests.service.made import EXPLICIT, content, damage, dataset, object_path, only
from tests.service.replicas import archive, sealed, with_folder

Harm = Callable[[Path], None]


def _truncate(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-200])


def _flip(path: Path) -> None:
    damage(path, -300)


def _withhold(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARMS: dict[str, Harm] = {
    "Missing": Path.unlink,
    "Truncated": _truncate,
    "Altered": _flip,
    "StoreFault": _withhold,
}


@pytest.mark.parametrize("kind", HARMS)
def test_a_harmed_object_is_read_from_the_replica(
    replicated: Home, codec: Codec, kind: str, tmp_path: Path
) -> None:
    (object_id,) = archive(replicated, codec, 1)
    catch_up(replicated)
    HARMS[kind](object_path(replicated, object_id))
    assert content(replicated, only(replicated), codec) == dataset("1.2.0")
    done = export(replicated, [only(replicated)], tmp_path / "out", codec.predictors)
    (exported,) = (tmp_path / "out").rglob("*.dcm")
    assert done.faults == []
    assert exported.read_bytes().endswith(dataset("1.2.0"))
    lag = replicated.require_replica().queue.lag()
    assert (lag.read_objects, lag.reads) == (1, 2)


@pytest.mark.parametrize("kind", HARMS)
def test_retrieval_gives_it_as_received_and_transcoded(
    folder: Path, codec: Codec, kind: str, request: pytest.FixtureRequest
) -> None:
    with_folder(folder)
    retriever: Retriever = request.getfixturevalue("retriever")
    home: Home = request.getfixturevalue("home")
    (object_id,) = archive(home, codec, 1)
    catch_up(home)
    HARMS[kind](object_path(home, object_id))
    revision = only(home).servable.revision_id
    for syntax in (None, EXPLICIT):
        with retriever.read(revision, syntax) as given:
            assert bytes(given) == dataset("1.2.0")
    assert home.require_replica().queue.lag().reads == 2


def test_damage_behind_the_first_pieces_leaves_none_of_them(replicated: Home, codec: Codec) -> None:
    (object_id,) = archive(replicated, codec, 1)
    catch_up(replicated)
    damage(object_path(replicated, object_id), -20)
    assert content(replicated, only(replicated), codec) == dataset("1.2.0")


def test_what_is_damaged_in_both_is_never_given(folder: Path, codec: Codec) -> None:
    replica = with_folder(folder)
    with Home.open(folder) as home:
        (object_id,) = archive(home, codec, 1)
        catch_up(home)
        path = object_path(home, object_id)
        damage(path, -300)
        damage(replica / path.relative_to(home.settings.store.path), -400)
        with pytest.raises(Altered):
            content(home, only(home), codec)
        assert home.require_replica().queue.lag().reads == 0


def test_a_replica_that_is_away_leaves_the_stores_own_fault(folder: Path, codec: Codec) -> None:
    replica = with_folder(folder)
    with Home.open(folder) as home:
        (object_id,) = archive(home, codec, 1)
        catch_up(home)
        object_path(home, object_id).unlink()
        replica.rename(replica.with_name("away"))
        with pytest.raises(Missing):
            content(home, only(home), codec)


def test_what_was_replaced_meanwhile_is_no_alarm(folder: Path, codec: Codec) -> None:
    with_folder(folder)
    with Home.open(folder) as home:
        (object_id,) = archive(home, codec, 1)
        catch_up(home)
        replica = home.require_replica()
        before: RevisionFacts = only(home)
        kept = sealed(replica.objects, object_id)
        home.keys.rotate()
        reencrypt(home, codec)
        with replica.objects.draft(object_id) as draft:  # As one that is still to be removed.
            draft.file.write(kept)
            draft.publish()
        assert content(home, before, codec) == dataset("1.2.0")
        assert replica.queue.lag().reads == 0
