"""Stores on disk: rows in files that are written once, so that a stop has little left to write."""

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spreeze.transport.layout import COMMIT, RESERVE, StoreMemory

CHUNK_BYTES = 8 << 20


class StoreFiles:
    """Writes the rows of stores to `folder`, chunk by chunk, each once.

    A chunk covers a fixed range of one lane's steps. `flush` writes the chunks that are complete; `snapshot` also
    writes what is complete of the open ones, and says which files hold the stores as they are. Datasets are left
    out: they are loaded again.
    """

    def __init__(self, folder: Path, stores: Mapping[str, StoreMemory], known: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self._stores = {name: memory for name, memory in stores.items() if memory.layout.kind != "dataset"}
        self._entries: dict[str, list[dict[str, Any]]] = {name: [] for name in self._stores}
        for name, store in (known or {}).items():
            self._entries[name] = [dict(entry) for entry in store["files"] if "chunk" in entry]
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def flush(self) -> None:
        """Write every complete chunk that is not on disk."""
        with self._lock:
            for name, memory in self._stores.items():
                for lane in range(memory.layout.lanes):
                    self._flush_lane(name, memory, lane)

    def snapshot(self) -> dict[str, Any]:
        """Write what is missing; return, by store, its cursors and the files that hold it."""
        self.flush()
        with self._lock:
            return {name: self._snapshot(name, memory) for name, memory in self._stores.items()}

    def prune(self, kept: Sequence[Mapping[str, Any]]) -> None:
        """Delete the files that none of the manifests in `kept` needs and that hold no live rows."""
        with self._lock:
            needed = {e["file"] for m in kept for store in m.get("stores", {}).values() for e in store["files"]}
            live = {entry["file"] for entries in self._entries.values() for entry in entries}
            for path in self.folder.iterdir():
                if path.name not in needed | live:
                    path.unlink()

    def _flush_lane(self, name: str, memory: StoreMemory, lane: int) -> None:
        size, commit = chunk_steps(memory), int(memory.words[lane, COMMIT])
        oldest = max(int(memory.words[lane, RESERVE]) - memory.layout.steps, 0)
        entries = [entry for entry in self._entries[name] if entry["lane"] != lane or entry["end"] > oldest]
        self._entries[name] = entries
        have = {entry["chunk"] for entry in entries if entry["lane"] == lane}
        for chunk in range(oldest // size, commit // size):
            if chunk not in have:
                entry = self._write(name, memory, lane, max(chunk * size, oldest), (chunk + 1) * size)
                self._entries[name].append(entry | {"chunk": chunk})

    def _snapshot(self, name: str, memory: StoreMemory) -> dict[str, Any]:
        (words, heads), files = steady_copy(memory), list(self._entries[name])
        for lane, commit in enumerate(words[:, COMMIT].tolist()):
            oldest = max(int(memory.words[lane, RESERVE]) - memory.layout.steps, 0)
            begin = max([oldest, *(entry["end"] for entry in files if entry["lane"] == lane)])
            if commit > 0:
                files.append(self._write(name, memory, lane, begin, commit + 1))
        if heads:
            files.append(self._write_bytes(f"{name}-heads", heads))
        words[:, RESERVE] = memory.words[:, RESERVE]  # what was overwritten in the meantime is in no file
        return {"words": words.tolist(), "files": files, "layout": memory.layout.extent}

    def _write(self, name: str, memory: StoreMemory, lane: int, begin: int, end: int) -> dict[str, Any]:
        slots = np.arange(begin, end) % memory.layout.steps
        rows = memory.rows[lane][slots]
        torn = max(int(memory.words[lane, RESERVE]) - memory.layout.steps - begin, 0)
        begin, data = begin + torn, rows[torn:].tobytes()
        entry = self._write_bytes(f"{name}-{lane}-{begin}-{end}", data)
        return entry | {"lane": lane, "begin": begin, "end": end}

    def _write_bytes(self, stem: str, data: bytes) -> dict[str, Any]:
        sha = hashlib.sha256(data).hexdigest()
        path = self.folder / f"{stem}-{sha[:12]}.rows"
        if not path.exists():
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        return {"file": path.name, "size": len(data), "sha256": sha}


def chunk_steps(memory: StoreMemory) -> int:
    """Steps of one chunk: about 8 MiB, whole segments."""
    layout = memory.layout
    stride = layout.segment + 1
    return max(CHUNK_BYTES // (layout.streams * layout.row.itemsize * stride), 1) * stride


def steady_copy(memory: StoreMemory) -> tuple[np.ndarray, bytes]:
    """Cursors, and the heads that belong to them: copied again if a segment was written in the meantime."""
    for _ in range(10):
        words, heads = memory.words.copy(), b"" if memory.heads is None else memory.heads.tobytes()
        if (words == memory.words).all():
            break
    return words, heads


def restore(folder: Path, stores: Mapping[str, StoreMemory], saved: Mapping[str, Any]) -> None:
    """Fill `stores`, which have the layout they were saved with, from the files that `snapshot` named."""
    for name, store in saved.items():
        memory = stores[name]
        words = np.array(store["words"], np.int64)
        for entry in store["files"]:
            data = (folder / entry["file"]).read_bytes()
            if "lane" in entry:
                _restore_rows(memory, entry, data, int(words[entry["lane"], RESERVE]) - memory.layout.steps)
            elif memory.heads is not None:
                memory.heads[:] = np.frombuffer(data, memory.layout.head).reshape(memory.heads.shape)
        memory.words[:] = words


def _restore_rows(memory: StoreMemory, entry: Mapping[str, Any], data: bytes, oldest: int) -> None:
    rows = np.frombuffer(data, memory.layout.row).reshape(-1, memory.layout.streams)
    skip = max(oldest - entry["begin"], 0)
    slots = np.arange(entry["begin"] + skip, entry["end"]) % memory.layout.steps
    memory.rows[entry["lane"]][slots] = rows[skip:]
