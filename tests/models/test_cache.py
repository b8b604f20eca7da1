from models.cache import BoundedCache


def made(cache: BoundedCache[bytes], *sizes: int) -> list[int]:
    """Which of these had to be made; the key is the size."""
    new: list[int] = []
    for size in sizes:
        cache.get(size, lambda size=size: new.append(size) or bytes(size))
    return new


def test_what_was_asked_for_before_is_not_made_again() -> None:
    cache = BoundedCache[bytes](len, max_bytes=100)

    assert made(cache, 10, 20, 10, 20) == [10, 20]
    assert cache.num_bytes == 30


def test_the_longest_unused_makes_room() -> None:
    cache = BoundedCache[bytes](len, max_bytes=60)

    assert made(cache, 10, 20, 30, 10, 25, 10, 20) == [10, 20, 30, 25, 20]
    assert cache.num_bytes <= 60


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    cache = BoundedCache[bytes](len, max_bytes=60)

    assert made(cache, 61, 61) == [61, 61]
    assert (len(cache), cache.num_bytes) == (0, 0)
