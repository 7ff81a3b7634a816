"""Runs one command and tells what the operating system says of it."""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

# Between two looks at the memory of a command: what it takes grows over seconds.
LOOK_SECONDS = 0.05


def high_water(pid):
    """The most memory that a process has had so far, in MiB; 0 when it is gone."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) / 1024 if found else 0


def run(command, *, env=None, cwd=None, stdout=subprocess.DEVNULL):
    """Wall and CPU seconds, peak memory and exit code of a command and nothing else."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=env, cwd=cwd, stdout=stdout, stderr=subprocess.PIPE)
    # Not ru_maxrss: it begins with what the process that starts the command has had itself.
    peak, ended = 0, threading.Event()

    def watch():
        nonlocal peak
        while not ended.wait(LOOK_SECONDS):
            peak = max(peak, high_water(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    errors = process.stderr.read()
    peak = max(peak, high_water(process.pid))
    _, status, usage = os.wait4(process.pid, 0)
    ended.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit": process.returncode,
        "seconds": time.monotonic() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": peak,
        "stderr": errors.decode(errors="replace")[-2000:],
    }


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1:])))
