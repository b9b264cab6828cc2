"""The item table as a live list asks it: which items fit a state, exactly, in a quarter of the memory, or by an index."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

import faiss
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from recolab.histories import PAD
from recolab.lab import write_atomically
from recolab.live.opinions import Floats, Ints, largest

LARGE = (
    200_000  # items from which an index is made: 1.4 times as quick there, a tie at 100,000 (benchmarks/live.py sizes)
)
LISTS_PER_ROOT, TAUGHT = 2, 64  # lists for each root of N; items for each list, from which its middle is learned
CODED = 2  # numbers of a vector that share four bits
DEEPER = 2  # items looked at exactly, for each one asked
# The best that should be among those named, and which share of them is enough: what a list loses by it, benchmarks/live.py asks.
DEPTH, NAMED, RECALL, SEED = 10, 200, 0.99, 7
MORE = 1.2  # lists opened, from one try to the next


class ItemTable(Protocol):
    """N item vectors, row 0 = PAD."""

    @property
    def rough(self) -> ItemTable:
        """A table that says nearly the same sooner; itself where there is none."""

    def __len__(self) -> int:
        """Count the rows."""

    def vectors(self, rows: NDArray[np.integer]) -> Floats:
        """Give some rows: (n,) -> (n, D)."""

    def scores(self, state: Floats) -> Floats:
        """Multiply all with a state: (D,) -> (N,)."""

    def best(self, state: Floats, n: int) -> Ints:
        """Find the rows whose products are largest: (D,) -> (at most n,)."""

    def plus(self, vectors: Floats) -> Self:
        """Make a table with more rows: (M, D)."""


class FloatTable:
    """The table as it was learned, asked whole."""

    def __init__(self, table: Floats) -> None:
        self.table = table

    @property
    def rough(self) -> ItemTable:
        """Itself."""
        return self

    def __len__(self) -> int:
        return len(self.table)

    def vectors(self, rows: NDArray[np.integer]) -> Floats:
        """Give some rows."""
        found: Floats = self.table[rows]
        return found

    def scores(self, state: Floats) -> Floats:
        """Multiply all with a state."""
        found: Floats = self.table @ state
        return found

    def best(self, state: Floats, n: int) -> Ints:
        """Find the largest products of all."""
        return largest(self.scores(state), n)

    def plus(self, vectors: Floats) -> Self:
        """Make a table with more rows."""
        return type(self)(np.concatenate([self.table, vectors]))


class Int8Table:
    """A quarter of the bytes, and of the time: each item's numbers in 255 steps of its own, the state's in 255 steps of its own."""

    def __init__(self, table: Floats) -> None:
        self.step = np.maximum(np.abs(table).max(1), 1e-12).astype(np.float32) / 127
        self.table = np.round(table / self.step[:, None]).astype(np.int8)
        self._session = _integer_product(self.table, self.step)

    @property
    def rough(self) -> ItemTable:
        """Itself."""
        return self

    def __len__(self) -> int:
        return len(self.table)

    def vectors(self, rows: NDArray[np.integer]) -> Floats:
        """Give some rows as the steps leave them."""
        found: Floats = self.table[rows] * self.step[rows, None]
        return found

    def scores(self, state: Floats) -> Floats:
        """Multiply all with a state, in whole numbers."""
        [[found]] = self._session.run(None, {"state": state[None]})
        scores: Floats = found
        return scores

    def best(self, state: Floats, n: int) -> Ints:
        """Find the largest products of all."""
        return largest(self.scores(state), n)

    def plus(self, vectors: Floats) -> Self:
        """Make a table with more rows; those that are there keep their steps."""
        return type(self)(np.concatenate([self.vectors(np.arange(len(self))), vectors]))


class SkimmedTable(FloatTable):
    """The table as it was learned, and in eight bits beside it: who looks for the best skims these, and asks the floats about those."""

    def __init__(self, table: Floats) -> None:
        super().__init__(table)
        self._eight_bits = Int8Table(table)

    @property
    def rough(self) -> ItemTable:
        """The table in eight bits."""
        return self._eight_bits


def _integer_product(table: NDArray[np.int8], step: Floats) -> onnxruntime.InferenceSession:
    """Compile (1, D) states x the table's integers -> (1, N), one thread.

    By ONNX Runtime's operator for language models, whose eight-bit kernel is made for one row at a time: four times as quick as the
    product of floats, where MatMulInteger is not twice.
    """
    n_items, dim = table.shape
    block = max(1 << (dim - 1).bit_length(), 16)  # a power of two that holds a row, so that a row has one step
    stored = np.full((n_items, 1, block), 128, np.uint8)  # from 0 to 255, 128 being nothing
    stored[:, 0, :dim] += table.view(np.uint8)
    node = helper.make_node(
        "MatMulNBits",
        ["state", "table", "step"],
        ["scores"],
        domain="com.microsoft",
        K=dim,
        N=n_items,
        bits=8,
        block_size=block,
        accuracy_level=4,  # the state in eight bits too
    )
    state = helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, dim])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, n_items])
    kept = [numpy_helper.from_array(stored, "table"), numpy_helper.from_array(step, "step")]
    graph = helper.make_graph([node], "integer_product", [state], [scores], kept)
    versions = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class IndexedTable(FloatTable):
    """The table with an index of faiss beside it: vectors that lie near each other share a list, a question opens the nearest lists,
    and what looks best there by four bits for two numbers is looked at exactly.

    `best` may miss some, how many is measured when the index is made; `scores` and `vectors` are exact.
    """

    def __init__(self, table: Floats, index: faiss.IndexIVFPQFastScan) -> None:
        super().__init__(table)
        self.index = index

    def best(self, state: Floats, n: int) -> Ints:
        """Find the largest products in the lists that lie nearest."""
        _, [near] = self.index.search(state[None], DEEPER * n)
        rows = near[near > PAD]  # -1 where the lists hold fewer
        found: Ints = rows[largest(self.table[rows] @ state, n)]
        return found

    def plus(self, vectors: Floats) -> Self:
        """Make a table with more rows, and a copy of the index with them in the lists that lie nearest."""
        index = faiss.clone_index(self.index)
        assert isinstance(index, faiss.IndexIVFPQFastScan)
        asked, filed = index.quantizer, faiss.IndexFlatL2(self.table.shape[1])
        filed.add(asked.reconstruct_n(0, index.nlist))
        index.quantizer = filed
        try:
            index.add(vectors)
        finally:
            index.quantizer = asked
            filed.this.own(True)  # type: ignore[attr-defined]  # faiss takes what is assigned for its own
        return type(self)(np.concatenate([self.table, vectors]), index)


def make_index(table: Floats, states: Floats) -> tuple[faiss.IndexIVFPQFastScan, float]:
    """Build an index, and open as many lists as it takes to find what there is to find.

    Lists of codes for a product of subspaces (Jégou et al. 2011), compared in registers (André et al. 2015): sixteen times less to
    read than the vectors, so that what is read in vain is read quickly.
    table: (N, D)    states: (Q, D) of real shoppers  ->  the index, and its recall: of the exact `DEPTH` best, the share among the
    `NAMED` that a voice names; `RECALL`, or as near as opening every list comes
    """
    index = _filed(table)
    n_lists = index.nlist
    indexed = IndexedTable(table, index)
    exact = [set(largest(table[1:] @ state, DEPTH) + 1) for state in states]
    opened, recall = 1.0, 0.0
    while True:
        index.nprobe = min(int(opened), n_lists)
        found = [set(indexed.best(state, NAMED)) for state in states]
        recall = sum(len(wanted & named) for wanted, named in zip(exact, found, strict=True)) / (DEPTH * len(states))
        if recall >= RECALL or index.nprobe == n_lists:
            return index, recall
        opened *= MORE


def _filed(table: Floats) -> faiss.IndexIVFPQFastScan:
    """File items where they lie nearest, to be asked by their product: filed by it too, a few long middles would have them all."""
    dim = table.shape[1]
    n_lists, parts = max(int(LISTS_PER_ROOT * len(table) ** 0.5), 1), dim if dim % CODED else dim // CODED
    nearest, products = faiss.IndexFlatL2(dim), faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFPQFastScan(nearest, dim, n_lists, parts, 4, faiss.METRIC_INNER_PRODUCT)
    index.by_residual = True  # codes of what is left beside a list's middle are the finer ones
    index.cp.seed, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = SEED, TAUGHT, 1
    index.cp.spherical = False  # faiss's default for products; but how long a middle is says as much as where it points
    index.train(table)
    index.add(table)
    products.add(nearest.reconstruct_n(0, n_lists))
    index.quantizer, index.own_fields = products, True
    return index


def save_index(index: faiss.IndexIVFPQFastScan, path: Path) -> None:
    """Write an index, to a temporary name first."""
    with write_atomically(path) as temporary:
        faiss.write_index(index, str(temporary))


def load_index(path: Path) -> faiss.IndexIVFPQFastScan:
    """Read what `save_index` wrote."""
    index = faiss.read_index(str(path))
    assert isinstance(index, faiss.IndexIVFPQFastScan)
    return index
