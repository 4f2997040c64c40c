"""Images: built once, the user's own, and builds that fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rating_harness.errors import ImageError
from rating_harness.lab.docker import Engine, images
from rating_harness.lab.docker.images import Images
from rating_harness.lab.protocol import Role


@pytest.fixture
def theirs(engine: Engine) -> Iterator[str]:
    """The name of an image of the user's."""
    name = "rating-harness-tests/theirs:1"
    engine.client.api.tag(Images(engine).ensure()["sipp"], "rating-harness-tests/theirs", "1")
    yield name
    engine.client.images.remove(name)


def test_asking_again_builds_nothing(engine: Engine) -> None:
    first = Images(engine).ensure()
    said: list[str] = []
    assert Images(engine, announce=said.append).ensure() == first
    assert set(first) == {"kamailio", "sipp", "harness"}
    assert said == []


def test_an_image_of_the_user_s_takes_the_place_of_a_role_s_or_is_one_service_s(engine: Engine, theirs: str) -> None:
    built = Images(engine).ensure()
    ids = Images(engine, chosen={"kamailio": theirs, "database": theirs}).ensure()
    assert ids == {**built, "kamailio": built["sipp"], "database": built["sipp"]}


def test_an_image_that_is_nowhere_is_named(engine: Engine) -> None:
    with pytest.raises(ImageError, match="there is no image rating-harness-tests/none:1"):
        Images(engine, chosen={"kamailio": "rating-harness-tests/none:1"}).ensure()


def test_a_build_that_fails_shows_its_last_lines(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(role: Role) -> dict[str, bytes]:
        recipe = "ARG BASE\nFROM ${BASE}\nRUN echo the reason of it; exit 7\n"
        return {f"compose/{role}.Dockerfile": recipe.encode()}

    monkeypatch.setattr(images, "_context", broken)
    with pytest.raises(ImageError, match=r"rating-harness/\w+:trixie-\w+ could not be built") as caught:
        Images(engine, announce=lambda line: None).ensure()
    assert "| the reason of it" in str(caught.value)
    assert "returned a non-zero code: 7" in str(caught.value)
