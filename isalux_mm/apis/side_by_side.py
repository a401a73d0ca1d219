"""Small pictures made side by side on a CPU, each by a thread with its share of PyTorch's threads (ours).

Two threads that share one small picture wait for one another more than they compute: fast mode on 640x480 takes as long
with two threads as with one. Two pictures at a time need nothing of one another.
"""
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import torch

Item = TypeVar('Item')
Made = TypeVar('Made')


def side_by_side(makers: Sequence[Callable[[Item], Made]], items: Iterable[Item],
                 alone: Callable[[Item], bool]) -> Iterator[Made]:
    """What the makers make of every item, in order, as many at a time as there are makers.

    A maker has one item at a time. An error of one is raised at its place; those begun behind it are lost.

    Args:
        makers: each with what it needs for itself. Of several each runs in a thread of its own, with its share of
            PyTorch's threads; the only one runs here, as if there were nothing of this.
        items: taken here, one after the other.
        alone: whether an item is made here, by the first maker, with all threads and nothing beside it.
    """
    if len(makers) == 1:
        yield from map(makers[0], items)
        return
    threads, free = torch.get_num_threads(), SimpleQueue[Callable[[Item], Made]]()
    for maker in makers:
        free.put(maker)

    def make(item: Item) -> Made:
        maker = free.get()
        try:
            return maker(item)
        finally:
            free.put(maker)

    pool = ThreadPoolExecutor(len(makers), 'isalux-make', initializer=torch.set_num_threads,
                              initargs=(max(threads // len(makers), 1), ))
    begun: deque[Future[Made]] = deque()
    try:
        for item in items:
            if alone(item):
                while begun:
                    yield begun.popleft().result()
                torch.set_num_threads(threads)
                yield makers[0](item)
                continue
            begun.append(pool.submit(make, item))
            if len(begun) > len(makers):
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
