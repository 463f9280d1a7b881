"""Weights: versioned, whole, and never waiting for a reader that is not there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spreeze.transport.weights import BEGUN, DIGEST, ENDED, Version, WeightChannel, WeightLayout

LAYOUT = WeightLayout((("kernel", "float32", (3, 5)), ("steps", "int64", ()), ("empty", "float64", (0, 4))))


def tensors(number: int) -> dict[str, np.ndarray]:
    return {name: np.full(shape, number, dtype) for name, dtype, shape in LAYOUT.entries}


def publish(channel: WeightChannel, number: int, incarnation: int = 1) -> None:
    channel.publish(tensors(number), Version(incarnation, number, 10 * number))


def test_nothing_is_fetched_before_the_first_publication() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    assert channel.sequence == 0
    assert channel.fetch() is None
    assert channel.fetch(1) is None


def test_what_is_published_is_fetched_with_its_version() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    for number in range(1, 8):
        publish(channel, number)
        fetched = channel.fetch()
        assert fetched is not None
        arrays, version = fetched
        assert version == (1, number, 10 * number)
        assert {name: (a.dtype.name, a.shape) for name, a in arrays.items()} == {
            n: (d, s) for n, d, s in LAYOUT.entries
        }
        assert all((array == number).all() for array in arrays.values())


def test_what_was_fetched_is_private() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    publish(channel, 1)
    fetched = channel.fetch()
    publish(channel, 2)
    publish(channel, 3)
    assert fetched is not None and (fetched[0]["kernel"] == 1).all()


def test_a_publication_stays_until_its_slot_comes_round_again() -> None:
    channel = WeightChannel.create("test", LAYOUT, slots=3)
    for number in range(1, 6):
        publish(channel, number)
    there = [number for number in range(1, 7) if channel.fetch(number) is not None]
    assert there == [3, 4, 5]


def test_two_channels_on_one_memory_see_the_same() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    other = WeightChannel(channel.memory, LAYOUT)
    publish(channel, 4)
    fetched = other.fetch()
    assert fetched is not None and fetched[1].update == 4


def test_a_publication_that_was_begun_and_never_ended_leaves_the_one_before() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    publish(channel, 1)
    channel._slots[0][BEGUN] = 2  # A writer killed in the middle of its second publication.
    channel._views[0]["kernel"][:2] = 99
    fetched = channel.fetch()
    assert fetched is not None and fetched[1].update == 1
    publish(WeightChannel(channel.memory, LAYOUT), 2, incarnation=2)
    fetched = channel.fetch()
    assert fetched is not None and fetched[1] == (2, 2, 20)
    assert (fetched[0]["kernel"] == 2).all()


def test_a_publication_that_ended_and_was_not_announced_is_made_again() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    publish(channel, 1)
    publish(channel, 2)
    channel._header[0] = 1
    publish(WeightChannel(channel.memory, LAYOUT), 3, incarnation=2)
    fetched = channel.fetch()
    assert fetched is not None and fetched[1] == (2, 3, 30)
    assert channel.sequence == 2


@given(st.integers(0, 3 * 5 * 4 - 1), st.integers(0, 7))
def test_a_single_changed_bit_is_noticed(byte: int, bit: int) -> None:
    channel = WeightChannel.create("test", LAYOUT)
    publish(channel, 1)
    channel._payloads[1][byte] ^= 1 << bit
    assert channel.fetch() is None


def test_a_slot_begun_anew_during_the_copy_is_not_believed() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    publish(channel, 1)
    channel._slots[1][BEGUN] = 3
    assert channel.fetch() is None
    channel._slots[1][BEGUN], channel._slots[1][ENDED] = 1, -1
    assert channel.fetch() is None


def test_the_digest_covers_what_was_published() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    publish(channel, 1)
    channel._slots[1][DIGEST] += 1
    assert channel.fetch() is None


def test_tensors_of_another_kind_are_refused() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    with pytest.raises(TypeError):
        channel.publish(tensors(1) | {"kernel": np.ones((3, 5))}, Version(1, 1, 0))
    with pytest.raises(ValueError, match="broadcast"):
        channel.publish(tensors(1) | {"kernel": np.ones((3, 4), np.float32)}, Version(1, 1, 0))
    with pytest.raises(KeyError):
        channel.publish({"kernel": np.ones((3, 5), np.float32)}, Version(1, 1, 0))
    assert channel.fetch() is None


def test_a_refused_publication_leaves_the_one_before() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    publish(channel, 1)
    with pytest.raises(TypeError):
        channel.publish(tensors(2) | {"kernel": np.ones((3, 5))}, Version(1, 2, 0))
    fetched = channel.fetch()
    assert fetched is not None and fetched[1].update == 1


def test_a_reader_that_needs_a_version_holds_the_writer_back() -> None:
    channel = WeightChannel.create("test", LAYOUT, slots=2)
    channel.need_from(1)
    room = []
    for number in range(1, 3):
        room.append(channel.has_room())
        publish(channel, number)
    assert room == [True, True]
    assert not channel.has_room()
    channel.need_from(2)
    assert channel.has_room()


def test_a_reset_channel_is_as_good_as_made_anew() -> None:
    channel = WeightChannel.create("test", LAYOUT)
    publish(channel, 1)
    channel.need_from(1)
    channel.reset()
    assert channel.fetch() is None
    publish(channel, 5)
    fetched = channel.fetch(1)
    assert fetched is not None and fetched[1].update == 5


def test_tensors_are_aligned_to_cache_lines() -> None:
    offsets, size = LAYOUT.offsets()
    assert offsets == [0, 64, 128]
    assert size == 128


def test_the_layout_of_tensors_names_dtype_and_shape() -> None:
    assert WeightLayout.of(tensors(0)) == LAYOUT
