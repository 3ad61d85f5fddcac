"""Processes by what the kernel says of them."""

from pathlib import Path


def below(pid: int) -> dict[int, str]:
    """Every process that descends from one, with its command line."""
    parents, commands = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
                commands[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it ended meanwhile
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found: dict[int, str] = {}
    newest = {pid}
    while newest:
        newest = {one for one, parent in parents.items() if parent in newest and one in commands}
        found |= {one: commands[one] for one in newest}
    return found


def living(pids: set[int]) -> set[int]:
    """Those that still run."""
    return {pid for pid in pids if Path(f"/proc/{pid}").exists() and not _is_dead(pid)}


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
