"""Counting tokens offline."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from llm import tokens


def test_threads_that_load_at_once_get_the_same_encoding():
    with ThreadPoolExecutor(4) as threads:
        names = ["o200k_base", "cl100k_base"] * 2
        loaded = list(threads.map(tokens.encoding, names))
    assert [each.name for each in loaded] == names
    assert loaded[0] is loaded[2]
    assert loaded[1] is loaded[3]


def test_nothing_is_asked_of_the_network_even_when_threads_load_at_once():
    script = """
import socket, threading
def refuse(*_): raise AssertionError("the network was asked")
socket.socket.connect = refuse
from llm.tokens import encoding
names = ["o200k_base", "cl100k_base"]
threads = [threading.Thread(target=encoding, args=[name]) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*(encoding(name).name for name in names))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["o200k_base", "cl100k_base"]
    assert done.stderr == ""
