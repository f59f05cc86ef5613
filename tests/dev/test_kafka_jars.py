"""The jars' cache: checked, complete or refused."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from jgo.util import http

from sitehub.dev.kafka_jars import Jar, JarCache, JarsUnavailableError, Lock, kafka_jars

CONTENT = b"a jar"
JAR = Jar("org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Answer:
    status_code = 200

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.text = content.decode()
        self.headers = {"content-length": str(len(content))}

    def iter_content(self, **_options: object) -> Iterator[bytes]:
        yield self.content


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JarCache:
    monkeypatch.setattr("jgo.constants.default_maven_repo", lambda: tmp_path / "no-maven")
    return JarCache(tmp_path / "cache", Lock("1.0", [JAR]))


@contextmanager
def maven_central(monkeypatch: pytest.MonkeyPatch, content: bytes | Exception) -> Iterator[list[str]]:
    urls: list[str] = []

    def get(url: str, **_options: object) -> Answer:
        urls.append(url)
        if isinstance(content, Exception):
            raise content
        return Answer(
            content if url.endswith(".jar") else hashlib.sha1(content, usedforsecurity=False).hexdigest().encode()
        )

    with monkeypatch.context() as patch:
        patch.setattr(http, "get", get)
        yield urls


def test_a_jar_is_fetched_once(cache: JarCache, monkeypatch: pytest.MonkeyPatch) -> None:
    with maven_central(monkeypatch, CONTENT):
        (path,) = cache.class_path()
    assert path.read_bytes() == CONTENT
    with maven_central(monkeypatch, requests.ConnectionError()) as urls:
        assert cache.class_path() == [path]
    assert urls == []


def test_a_jar_with_another_checksum_is_refused_and_not_kept(cache: JarCache, monkeypatch: pytest.MonkeyPatch) -> None:
    with maven_central(monkeypatch, b"A JAR"), pytest.raises(JarsUnavailableError, match="changed on its way"):
        cache.class_path()
    assert [path.name for path in cache.folder.iterdir()] == [".lock"]


def test_no_network_is_one_line_that_says_what_to_do(cache: JarCache, monkeypatch: pytest.MonkeyPatch) -> None:
    with maven_central(monkeypatch, requests.ConnectionError("x")), pytest.raises(JarsUnavailableError) as raised:
        cache.class_path()
    assert "no network" in str(raised.value)
    assert "Connect this machine once" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_jar_cut_short_is_fetched_again(cache: JarCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.folder.mkdir()
    (cache.folder / JAR.name).write_bytes(CONTENT[:2])
    with maven_central(monkeypatch, CONTENT):
        (path,) = cache.class_path()
    assert path.read_bytes() == CONTENT


def test_the_users_maven_repository_is_used_when_its_checksum_is_right(
    cache: JarCache,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    local = tmp_path / "no-maven/org/example/thing/1.0/thing-1.0.jar"
    local.parent.mkdir(parents=True)
    local.write_bytes(CONTENT)
    with maven_central(monkeypatch, requests.ConnectionError()):
        (path,) = cache.class_path()
    assert path.read_bytes() == CONTENT


def test_the_lock_names_a_whole_kafka_and_the_cache_follows_the_environment() -> None:
    cache = kafka_jars({"XDG_CACHE_HOME": "/caches"})
    assert cache.folder == Path("/caches/sitehub/kafka-4.3.1")
    assert "kafka_2.13-4.3.1.jar" in {jar.name for jar in cache.lock.jars}
    assert len({jar.name for jar in cache.lock.jars}) == len(cache.lock.jars) == 46
