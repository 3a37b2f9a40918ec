import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from rareloop.data.audits import AuditLog, stage_path, store_codes
from rareloop.data.campaigns import CampaignItem, CampaignLog
from rareloop.data.identifiers import ItemIds
from rareloop.data.labels import LabelLog
from rareloop.data.roundlog import RoundLog
from rareloop.data.tables import Table, import_table


@pytest.fixture
def audits(tmp_path):
    log = AuditLog(tmp_path / "labels.sqlite")
    yield log
    log.close()


def test_an_audit_begins_uniform_and_is_found_again(audits, tmp_path):
    assert audits.current() is None
    begun = audits.begin(seed=7, n_items=100)
    assert AuditLog(tmp_path / "labels.sqlite").current() == begun
    assert [(s.number, s.levels, s.file, s.reach) for s in begun.stages] == [(0, (), None, None)]
    assert begun.sealed_since == begun.started_at


def test_opening_a_stage_freezes_the_reach_of_the_one_before(audits):
    number = audits.begin(seed=7, n_items=100).number
    audits.open_stage(number, 55.5, [0.25, 0.75], "0001-0001.npy")
    audits.open_stage(number, 60.0, [0.5], "0001-0002.npy")
    stages = audits.current().stages
    assert [s.reach for s in stages] == [55.5, 60.0, None]
    assert [s.levels for s in stages] == [(), (0.25, 0.75), (0.5,)]
    assert [s.file for s in stages] == [None, "0001-0001.npy", "0001-0002.npy"]


def test_a_new_audit_releases_or_keeps_what_was_sealed(audits):
    first = audits.begin(seed=1, n_items=10)
    kept = audits.begin(seed=1, n_items=12, sealed_since=first.sealed_since)
    assert (kept.number, kept.sealed_since) == (2, first.sealed_since)
    released = audits.begin(seed=2, n_items=12)
    assert released.number == 3
    assert released.sealed_since > first.sealed_since
    assert audits.current().seed == 2


def test_hits_are_kept_once_and_by_audit(audits):
    first = audits.begin(seed=1, n_items=10).number
    audits.add_hits(first, ["a", "b"], "top", 3)
    audits.add_hits(first, ["b", "c"], "opened")
    audits.add_hits(first, [], "opened")
    assert audits.hits(first) == {"a", "b", "c"}
    second = audits.begin(seed=2, n_items=10).number
    assert audits.hits(second) == set()


def test_levels_are_stored_whole(tmp_path):
    path = stage_path(tmp_path, 1, 2)
    codes = np.arange(256, dtype=np.uint8)
    store_codes(path, codes)
    np.testing.assert_array_equal(np.load(path), codes)
    assert [p.name for p in path.parent.iterdir()] == ["0001-0002.npy"]


def test_a_campaign_keeps_its_order_and_its_certificate(tmp_path):
    log = CampaignLog(tmp_path / "labels.sqlite")
    assert log.under_way() is None
    items = [CampaignItem("q", 1, 0.5), CampaignItem("a", 0, 0.125)]
    begun = log.begin({"seed": 3, "classes": ["größer"]}, items)
    again = CampaignLog(tmp_path / "labels.sqlite").under_way()
    assert again == begun
    assert list(again.items) == items
    assert again.design == {"seed": 3, "classes": ["größer"]}
    log.end(begun.number, "done", {"recall": [0.5, 0.25, None]})
    assert log.under_way() is None
    (record,) = log.records()
    assert (record.status, record.certificate) == ("done", {"recall": [0.5, 0.25, None]})
    assert record.ended_at >= record.started_at
    assert log.begin({}, []).number == 2
    with pytest.raises(KeyError):
        log.get(9)


def test_keys_depend_on_the_identifier_alone(tmp_path):
    def keys(texts):
        (tmp_path / "t.csv").write_text("name,x\n" + "".join(f"{t},1\n" for t in texts))
        import_table(tmp_path / "t.csv", tmp_path / f"{len(texts)}.arrow")
        ids = ItemIds(Table(tmp_path / f"{len(texts)}.arrow"), "name")
        found = ids.keys()
        ids.rows(texts[:1])
        assert ids.keys().tolist() == found.tolist()
        return found

    few, many = keys(["ab", "cd"]), keys(["zz", "cd", "ab"])
    assert few[0] == many[2]
    assert few[1] == many[1]
    assert len(set(many.tolist())) == 3
    assert ItemIds(Table(tmp_path / "2.arrow"), None).keys().tolist() == [0, 1]


@pytest.mark.parametrize("attempt", range(5))
def test_many_who_open_a_new_database_at_once_wait_for_each_other(tmp_path, attempt):
    path, gate = tmp_path / "labels.db", threading.Barrier(8)

    def work(number):
        gate.wait()
        store = (AuditLog, CampaignLog, LabelLog, RoundLog)[number % 4](path)
        store.close()

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(work, number) for number in range(8)]:
            future.result(60)
