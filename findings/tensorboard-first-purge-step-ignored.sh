#!/usr/bin/env bash
# TensorBoard's Python loader ignores the first purge_step of a run: the steps that a resumed run repeats stay twice.
#
# A good guess: SummaryWriter(purge_step=N) of tensorboardX or PyTorch writes a SessionLog.START with step N, and
# TensorBoard forgets what the files before it have of step N and later; so a run that resumes from its checkpoint
# of step N shows every step once.
#
# What happens: the Python loader takes the first START of a run for the run's beginning and purges nothing; only a
# second one purges. A first run seldom writes one, so the first resume, the usual case, shows the old and the new
# values of the same steps, for good: the next START leaves the pair at the step below it. EventAccumulator, which
# scripts read event files with, purges at the first START.
#
# Why it matters for depth: a curve that goes back and forth looks like a training that diverged. Write the START twice
# in the file of a resumed run.
#
# Seen with tensorboard 2.21.0 (2.20.0 has the same lines), tensorboardX 2.6.5 on Python 3.11, Linux (2026-11). Output
# seen:
#
#   TensorBoard 2.21.0, tensorboardX 2.6.5: steps 0 to 9, then 5 and 6 with purge_step=5, then 6 and 7 with purge_step=6
#     loader of the server, first resume:   [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 6]
#     loader of the server, second resume:  [0, 1, 2, 3, 4, 5, 5, 6, 7]
#     EventAccumulator, first resume:       [0, 1, 2, 3, 4, 5, 6]
set -euo pipefail
# shellcheck source=findings/fresh_venv.bash
source "$(dirname "$0")/fresh_venv.bash"

in_fresh_venv tensorboard==2.21.0 tensorboardX==2.6.5 protobuf==7.36.2 numpy==2.4.6 absl-py==2.5.1 grpcio==1.85.3 \
    markdown==3.11.3 markupsafe==3.0.4 packaging==26.4 pillow==13.0.0 setuptools==65.5.0 typing_extensions==4.16.0 \
    werkzeug==3.1.9 <<'PY'
import logging
import sys
import time

import tensorboardX
import tensorboard.version
from tensorboard.backend.event_processing import event_accumulator, plugin_event_multiplexer
from tensorboard.util import tb_logging

tb_logging.get_logger().setLevel(logging.ERROR)


def session(steps, **options):
    """A training process: its writer makes a file of its own in `run`, named by the second it began."""
    writer = tensorboardX.SummaryWriter("run", **options)
    for step in steps:
        writer.add_scalar("loss", step, step)
    writer.close()
    time.sleep(1.1)


def by_server():
    loader = plugin_event_multiplexer.EventMultiplexer()
    loader.AddRun("run", "run")
    loader.Reload()
    return [event.step for event in loader.Tensors("run", "loss")]


def by_script():
    loader = event_accumulator.EventAccumulator("run")
    loader.Reload()
    return [event.step for event in loader.Scalars("loss")]


session(range(10))
session(range(5, 7), purge_step=5)
first, script = by_server(), by_script()
session(range(6, 8), purge_step=6)
second = by_server()
print(f"TensorBoard {tensorboard.version.VERSION}, tensorboardX {tensorboardX.__version__}: steps 0 to 9, then 5 and 6 "
      "with purge_step=5, then 6 and 7 with purge_step=6")
print(f"  loader of the server, first resume:   {first}")
print(f"  loader of the server, second resume:  {second}")
print(f"  EventAccumulator, first resume:       {script}")
if first != [*range(10), 5, 6] or second != [0, 1, 2, 3, 4, 5, 5, 6, 7] or script != [*range(7)]:
    sys.exit("CHANGED: the first purge_step purges, or EventAccumulator ignores it too")
print("as stated: the first purge_step purged nothing")
PY
