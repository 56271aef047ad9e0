import psutil

from benchmarks import sockets


def test_the_most_memory_of_a_process_is_read_and_forgotten() -> None:
    process, size = psutil.Process(), 64 << 20
    sockets._forget_peak(process)
    before = sockets._read_peak(process)
    assert abs(before - process.memory_info().rss) < size / 2
    held = b"x" * size
    assert process.memory_info().rss > before + size / 2
    del held
    assert sockets._read_peak(process) > before + size / 2, "it is not held any more"
    sockets._forget_peak(process)
    assert sockets._read_peak(process) < before + size / 2
