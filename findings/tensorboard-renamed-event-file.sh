#!/usr/bin/env bash
# TensorBoard's default loader never notices that an event file was replaced by a rename; its Python loader does.
#
# A good guess: writing a whole new file beside the old one and renaming it over is the safe way to publish, so a
# program that resumes a run may cut its event file back that way, and a TensorBoard that is open shows the new steps
# at its next reload, as it does for a file that was appended to.
#
# What happens: with the loader that a plain `tensorboard --logdir` starts (package tensorboard-data-server) the chart
# stays at the steps of the file that was there first, for good and without a word: it keeps reading the file that the
# name no longer leads to. Restarting shows everything. With --load_fast false the new steps appear.
#
# Why it matters for depth: a training that is resumed looks as if it stood still. Append to an event file, or begin
# another one, instead of replacing it.
#
# Seen with tensorboard 2.21.0, tensorboard-data-server 0.7.2 on Python 3.11, Linux (2026-11). Output seen:
#
#   TensorBoard 2.21.0: a file of steps 0 to 2, then one of steps 0 to 5 renamed over it
#     default loader:     [0, 1, 2] then [0, 1, 2]
#     --load_fast false:  [0, 1, 2] then [0, 1, 2, 3, 4, 5]
set -euo pipefail
# shellcheck source=findings/fresh_venv.bash
source "$(dirname "$0")/fresh_venv.bash"

in_fresh_venv tensorboard==2.21.0 tensorboard-data-server==0.7.2 protobuf==7.36.2 numpy==2.4.6 \
    absl-py==2.5.1 grpcio==1.85.3 markdown==3.11.3 markupsafe==3.0.4 packaging==26.4 pillow==13.0.0 setuptools==65.5.0 \
    typing_extensions==4.16.0 werkzeug==3.1.9 <<'PY'
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import tensorboard.version
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter


def write(path, steps):
    """An event file of one scalar, `loss`."""
    with open(path, "wb") as file:
        records = RecordWriter(file)
        records.write(event_pb2.Event(wall_time=1, file_version="brain.Event:2").SerializeToString())
        for step in range(steps):
            loss = summary_pb2.Summary.Value(tag="loss", simple_value=1 / (1 + step))
            event = event_pb2.Event(wall_time=2 + step, step=step, summary=summary_pb2.Summary(value=[loss]))
            records.write(event.SerializeToString())


def steps_shown(port):
    """What the chart of a TensorBoard on this machine shows; empty before it has loaded."""
    url = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?run=.&tag=loss"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return [int(point[1]) for point in json.load(answer)]
    except (urllib.error.URLError, OSError):
        return []


def wait_for(count, port, seconds):
    """The steps shown as soon as there are `count`, or after the time is over."""
    end = time.monotonic() + seconds
    while len(shown := steps_shown(port)) < count and time.monotonic() < end:
        time.sleep(0.5)
    return shown


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def watch(fast):
    """The steps shown of a file of three, and after one of six was renamed over it."""
    port = free_port()
    folder = f"run-{fast}"
    os.mkdir(folder)
    path = f"{folder}/events.out.tfevents.1.host"
    write(path, 3)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host", "127.0.0.1", "--port", str(port),
               "--load_fast", fast, "--reload_interval", "1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        before = wait_for(3, port, 90)
        write("new", 6)
        os.replace("new", path)
        return before, wait_for(6, port, 20)
    finally:
        server.terminate()
        server.wait()


print(f"TensorBoard {tensorboard.version.VERSION}: a file of steps 0 to 2, then one of steps 0 to 5 renamed over it")
fast, plain = watch("true"), watch("false")
print(f"  default loader:     {fast[0]} then {fast[1]}")
print(f"  --load_fast false:  {plain[0]} then {plain[1]}")
if not fast[0] or not plain[0]:
    print("skipped: TensorBoard did not start within 90 s")
    sys.exit(77)
if fast[1] != [0, 1, 2] or plain[1] != [0, 1, 2, 3, 4, 5]:
    sys.exit("CHANGED: TensorBoard's default loader follows a renamed file, or its Python loader does not")
print("as stated: the default loader stayed with the old file")
PY
