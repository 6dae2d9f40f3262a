import threading

import pytest

from relay.config import notify, watch
from relay.config.errors import ConfigErrors
from relay.config.notify import Notices
from relay.config.watch import Watcher


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["notices", "no-notices"])
def watcher(request, config, clock, monkeypatch):
    """A watcher with the kernel's notices, and one that has to look for itself each time."""
    if request.param == "no-notices":
        monkeypatch.setattr(Notices, "of", lambda _: None)
    made = Watcher(config.path, config.cache, clock=clock)
    yield made
    made.close()


def rename_in(text: str, name: str) -> str:
    return text.replace("name: Bakkerij", f"name: {name}")


def test_nothing_changed(watcher) -> None:
    snapshot = watcher.snapshot
    assert watcher.check() is None
    assert watcher.check(full=True) is None
    assert watcher.snapshot is snapshot
    assert watcher.error is None
    assert watcher.interval == 2


def test_a_changed_company_is_taken_over_whole(config, watcher) -> None:
    before = watcher.snapshot
    file = config.company("bakkerij")
    file.write_text(rename_in(file.read_text(), "Baecker"))
    change = watcher.check()
    assert change.before is before
    assert change.after is watcher.snapshot
    assert (change.added, change.changed, change.removed) == (frozenset(), {"bakkerij"}, frozenset())
    assert not change.settings
    assert not change.files
    assert watcher.snapshot.company("bakkerij").name == "Baecker"
    assert before.company("bakkerij").name == "Bakkerij", "mail in flight sees the snapshot it began with"
    assert watcher.parsed == 3


def test_companies_come_go_and_are_renamed(config, watcher) -> None:
    config.company("nieuw").write_text("name: Nieuw\naddress: n@nieuw.example\nalias: nieuw\n")
    assert watcher.check().added == {"nieuw"}
    config.company("nieuw").rename(config.company("nieuwer"))
    change = watcher.check()
    assert (change.added, change.removed) == ({"nieuwer"}, {"nieuw"})
    assert watcher.snapshot.by_alias("nieuw").slug == "nieuwer"
    config.company("nieuwer").unlink()
    assert watcher.check().removed == {"nieuwer"}
    assert watcher.snapshot.by_alias("nieuw") is None


def test_a_half_written_file_keeps_the_last_good_state(config, watcher) -> None:
    before, good = watcher.snapshot, config.company("bakkerij").read_text()
    config.company("bakkerij").write_text(good[:20])
    config.company("garage").write_text(config.company("garage").read_text().replace("Garage", "Garage 2", 1))
    assert watcher.check() is None
    error = watcher.error
    assert {fault.file for fault in error.errors} == {str(config.company("bakkerij"))}
    assert watcher.snapshot is before
    assert watcher.check() is None
    assert watcher.error is error, "the same error is the same object: it can be logged once"
    config.company("bakkerij").write_text(rename_in(good, "Baecker"))
    assert watcher.check().changed == {"bakkerij", "garage"}
    assert watcher.error is None


def test_back_to_the_last_good_state_is_no_change(config, watcher) -> None:
    before, good = watcher.snapshot, config.company("garage").read_text()
    config.company("garage").unlink()
    assert watcher.check() is None
    assert "there is no company 'garage'" in str(watcher.error)
    config.company("garage").write_text(good)
    assert watcher.check() is None
    assert watcher.error is None
    assert watcher.snapshot is before


def test_another_error_replaces_the_first(config, watcher) -> None:
    config.company("garage").write_text("name: [")
    watcher.check()
    first = watcher.error
    config.company("garage").write_text("nam: Garage")
    watcher.check()
    assert watcher.error is not None
    assert watcher.error is not first


def test_settings_are_taken_over(config, watcher) -> None:
    config.replace("hostname: mx1", "hostname: mx2")
    change = watcher.check()
    assert change.settings
    assert watcher.snapshot.settings.hostname == "mx2.my.relay.example"
    assert not change.changed
    config.replace("hostname: mx2", "hostnam: mx2")
    assert watcher.check() is None
    assert "hostnam: unknown key" in str(watcher.error)
    assert watcher.snapshot.settings.hostname == "mx2.my.relay.example"


def test_files_that_relay_yaml_names_are_watched(config, watcher) -> None:
    config.file("signing").write_text("another secret of many letters")
    change = watcher.check()
    assert change.files
    assert not change.settings
    certificate = config.file("cert").read_bytes()
    config.file("cert").unlink()
    assert watcher.check() is None
    assert "the file does not exist" in str(watcher.error)
    config.file("cert").write_bytes(certificate)
    assert watcher.check() is None
    assert watcher.error is None


def test_comments_are_no_change(config, watcher) -> None:
    config.company("bakkerij").write_text("# comment\n" + config.company("bakkerij").read_text())
    config.replace("hostname:", "# comment\nhostname:")
    assert watcher.check() is None


def test_strays_are_seen_and_gone(config, watcher) -> None:
    stray = config.file("companies/groot.yml")
    stray.write_text("")
    assert watcher.check(full=True) is None
    assert "this file is not read" in str(watcher.error)
    stray.unlink()
    watcher.check(full=True)
    assert watcher.error is None


def test_the_directory_may_be_replaced(config, watcher) -> None:
    directory = config.file("companies")
    directory.rename(config.file("old"))
    assert watcher.check(full=True) is None
    assert "companies: the file does not exist" in str(watcher.error)
    directory.mkdir()
    for old in config.file("old").iterdir():
        text = rename_in(old.read_text(), "Baecker")
        (directory / old.name).write_text(text)
    assert watcher.check().changed == {"bakkerij"}
    config.company("garage").write_text(config.company("garage").read_text().replace("Garage", "Garage 3", 1))
    assert watcher.check().changed == {"garage"}


def test_what_was_taken_over_is_in_the_cache_after_a_quiet_check(config, watcher) -> None:
    file = config.company("bakkerij")
    file.write_text(rename_in(file.read_text(), "Baecker"))
    watcher.check()
    watcher.check(full=True)
    again = Watcher(config.path, config.cache)
    again.close()
    assert again.parsed == 0
    assert again.snapshot.generation == watcher.snapshot.generation


def test_a_cache_that_cannot_be_written_is_told(config) -> None:
    config.file("var").write_text("a file where a directory is needed")
    made = Watcher(config.path, config.cache)
    made.close()
    assert isinstance(made.cache_error, OSError)
    assert len(made.snapshot) == 2


def test_a_cache_that_another_worker_saved_is_left_alone(config, watcher, monkeypatch) -> None:
    other = Watcher(config.path, config.cache)
    file = config.company("bakkerij")
    file.write_text(rename_in(file.read_text(), "Baecker"))
    watcher.check()
    other.check()
    other.check()
    other.close()
    monkeypatch.setattr(watch, "save_cache", lambda *_: pytest.fail("saved a second time"))
    watcher.check()


def test_a_bad_configuration_does_not_start(config) -> None:
    config.company("garage").write_text("name: [")
    with pytest.raises(ConfigErrors):
        Watcher(config.path)


def test_looking_without_notices_takes_a_small_share_of_the_time(config, clock, monkeypatch) -> None:
    monkeypatch.setattr(Notices, "of", lambda _: None)
    made = Watcher(config.path, clock=clock)
    look = made._tree.look_at_all

    def slow_look() -> set[str]:
        clock.now += 0.5
        return look()

    monkeypatch.setattr(made._tree, "look_at_all", slow_look)
    made.check()
    assert made.interval == 25


def test_with_notices_all_files_are_looked_at_now_and_then(config, clock, monkeypatch) -> None:
    made = Watcher(config.path, clock=clock)
    looks = []
    look = made._tree.look_at_all

    def slow_look() -> set[str]:
        looks.append(clock.now)
        clock.now += 0.125
        return look()

    monkeypatch.setattr(made._tree, "look_at_all", slow_look)
    for _ in range(11):
        made.check()
        clock.now += 1
    made.close()
    assert looks == [2, 9.125], "an eighth of a second, fifty times"
    assert made.interval == 2


def test_check_runs_in_another_thread(config, watcher) -> None:
    file = config.company("bakkerij")
    file.write_text(rename_in(file.read_text(), "Baecker"))
    thread = threading.Thread(target=watcher.check)
    thread.start()
    thread.join()
    assert watcher.snapshot.company("bakkerij").name == "Baecker"


# The kernel's notices


def test_notices_name_what_changed(tmp_path) -> None:
    notices = Notices.of(tmp_path)
    assert notices.names(tmp_path) == set()
    (tmp_path / "a.yaml").write_text("1")
    (tmp_path / "b.yaml").write_text("1")
    assert notices.names(tmp_path) == {"a.yaml", "b.yaml"}
    (tmp_path / "a.yaml").rename(tmp_path / "c.yaml")
    (tmp_path / "b.yaml").unlink()
    assert notices.names(tmp_path) == {"a.yaml", "b.yaml", "c.yaml"}
    notices.close()


def test_notices_end_with_their_directory(tmp_path) -> None:
    directory = tmp_path / "companies"
    directory.mkdir()
    notices = Notices.of(directory)
    directory.rename(tmp_path / "old")
    assert notices.names(directory) is None
    notices.close()


def test_no_notices_where_there_are_none(tmp_path, monkeypatch) -> None:
    assert Notices.of(tmp_path / "nowhere") is None

    class Library:
        def inotify_init1(self, _: int) -> int:
            return -1

    monkeypatch.setattr(notify.ctypes, "CDLL", lambda *_, **__: Library())
    assert Notices.of(tmp_path) is None
    monkeypatch.setattr(notify.ctypes, "CDLL", lambda *_, **__: object())
    assert Notices.of(tmp_path) is None
