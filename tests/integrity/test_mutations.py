"""The audit sees every seeded harm to an archive and calls it what it is; and sees none in order.

A seed makes the same harm each time. The 10,000 of docs/threats.md are ``pytest tests/integrity -m
faults -s``; on a folder in memory (``--basetemp``) they take a tenth of a second of processor each.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from service.encode import Codec
from service.errors import Fault
from service.home import Home, root_secret
from service.index import Policy
from service.keys import KeyStore
from service.upkeep.audit import AuditFault, audit
from service.upkeep.kinds import Kind
from tests.integrity import victim as victims
from tests.integrity.mutations import FILES, Harm, flipped, of
from tests.integrity.row_mutations import ROWS
from tests.integrity.scratch import Scratch
from tests.integrity.victim import Victim, put

ALL = [*FILES, *ROWS]
_TELL = 250


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, codec: Codec) -> Iterator[Victim]:
    """The archive that is harmed, always put right again; no object in it counts as just made."""
    folder = tmp_path_factory.mktemp("victim")
    made = victims.make(folder, codec)
    with pytest.MonkeyPatch.context() as patched, Home.open(made) as home:
        patched.setattr("service.upkeep.audit.YOUNG_S", -1)
        scratch = Scratch(folder, Policy.of(home.settings))
        patched.setattr("service.upkeep.replay.Index.scratch", scratch)
        yield Victim(home, folder / "early")


def test_a_clean_archive_raises_no_alarm(victim: Victim, codec: Codec) -> None:
    audited = audit(victim.home, codec.predictors)
    assert (audited.checked, audited.faults) == (len(victim.revisions), [])


def wrong(harm: Harm, faults: list[AuditFault]) -> str | None:
    """Say what an audit missed, or called by a wrong name."""
    hits = [one for one in faults if _is_about(one, harm)]
    if not hits:
        return f"unseen, or seen elsewhere: {faults}"
    if not any(Kind(one.kind) in harm.kinds for one in hits):
        return f"called {[one.kind for one in hits]}: {hits[0].detail}"
    strangers = [one for one in faults if one not in hits]
    return f"others are accused: {strangers}" if strangers and not harm.others else None


def _is_about(fault: AuditFault, harm: Harm) -> bool:
    table = fault.object.partition("/")[0] + "/"
    return bool({fault.sop_instance_uid, fault.object, table} & harm.about)


def attack(victim: Victim, codec: Codec, seeds: range) -> Counter[str]:
    """Do harm by each seed, audit, and put it right; give how often each kind of harm was done."""
    done: Counter[str] = Counter()
    missed = []
    for seed in seeds:
        random = Random(seed)
        mutation = ALL[seed % len(ALL)]
        with victim.harmed():
            harm = mutation(victim, random)
            faults = audit(victim.home, codec.predictors).faults
        said = wrong(harm, faults)
        if said is not None:
            missed.append(f"seed {seed}, {mutation.__name__}: {said}")
            print(missed[-1], flush=True)  # noqa: T201
        done[mutation.__name__] += 1
        if done.total() % _TELL == 0:
            print(f"{done.total()} of {len(seeds)}, {len(missed)} missed", flush=True)  # noqa: T201
    assert not missed, "\n".join(missed)
    return done


def test_quick_every_harm_is_seen_and_named(victim: Victim, codec: Codec) -> None:
    attack(victim, codec, range(len(ALL)))
    assert audit(victim.home, codec.predictors).faults == [], "all of it was put right"


@pytest.mark.slow
def test_two_hundred_harms_are_seen_and_named(victim: Victim, codec: Codec) -> None:
    attack(victim, codec, range(100, 300))


@pytest.mark.faults
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_harms_are_seen_and_named(victim: Victim, codec: Codec, part: int) -> None:
    """In four parts of 2,500, so that they may run side by side."""
    start = time.monotonic()
    done = attack(victim, codec, range(2500 * part, 2500 * (part + 1)))
    print(f"\n{done.total()} harms in {time.monotonic() - start:.0f} s: {dict(done)}")  # noqa: T201
    assert done.total() == 2500


def test_a_number_counts_while_its_revision_is_in_the_journal(victim: Victim, codec: Codec) -> None:
    for revision in victim.journalled:
        row, number = revision.servable.revision_id, revision.number + 1
        with victim.harmed():
            victim.sql("UPDATE revisions SET number = ? WHERE id = ?", number, row)
            faults = audit(victim.home, codec.predictors).faults
        assert wrong(of(revision, Kind.ROW_MISMATCH), faults) is None


def test_every_bit_of_the_keyring_counts(victim: Victim) -> None:
    path = victim.home.keyring_path
    content = path.read_bytes()
    with victim.harmed():
        for bit in range(8 * len(content)):
            put(path, flipped(content, bit))
            with pytest.raises(Fault):
                KeyStore(path, root_secret(victim.home.settings)).open()


def test_a_keyring_cut_short_or_gone_is_a_fault(victim: Victim) -> None:
    content = victim.home.keyring_path.read_bytes()
    with victim.harmed():
        for length in range(len(content) - 1):
            put(victim.home.keyring_path, content[:length])
            with pytest.raises(Fault):
                KeyStore(victim.home.keyring_path, root_secret(victim.home.settings)).open()
        victim.home.keyring_path.unlink()
        with pytest.raises(Fault):
            Home.open(victim.home.path)


def test_an_old_keyring_is_told_from_the_trail(victim: Victim, codec: Codec) -> None:
    with victim.harmed():
        shutil.copyfile(victim.early / "keyring.json", victim.home.keyring_path)
        with Home.open(victim.home.path) as home:
            faults = audit(home, codec.predictors).faults
    assert ("keyring.json", "stale") in {(one.object, one.kind) for one in faults}


def test_an_index_set_back_as_a_whole_is_told(victim: Victim, codec: Codec) -> None:
    with victim.harmed():
        victim.set_index_back()
        faults = audit(victim.home, codec.predictors).faults
    assert ("trail.anchor", "stale") in {(one.object, one.kind) for one in faults}
